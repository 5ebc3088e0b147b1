"""The low slices of the head: face, skull base, brainstem and cerebellum."""

from __future__ import annotations

import numpy as np

from medtl.phantom.anatomy import Head
from medtl.phantom.canvas import Canvas, Field, capsule, ellipse, smoothstep

FACE_BELOW_MM = -3.0
"""Height below which a slice shows more of the face than the scalp."""


def paint_face(canvas: Canvas, head: Head, surface: Field, vault: Field, inside: Field, z: float) -> None:
    """Paints the face and the skull base: orbits, nose and sinuses, petrous bones.

    Args:
        canvas: The canvas with skin and skull on it.
        head: The head.
        surface: Depth inside the head's surface, from `paint_vault`.
        vault: Depth inside the vault, from `oval`.
        inside: Depth inside the cranial cavity, from `cavity`.
        z: Height of the slice in mm.
    """
    x, y = canvas.x, canvas.y
    side = np.abs(x)
    soft = np.minimum(surface - head.scalp, -inside)
    grain = head.texture.at(x * 1.5, y * 1.5, z)
    amount = smoothstep(-z, 3.0, 12.0)
    canvas.paint("bone", np.minimum(np.minimum(vault, -inside), np.float32(9.0)))
    canvas.paint("muscle", np.minimum(soft, -inside - 5.0), 0.75 * amount)
    canvas.paint("fat", np.minimum(np.minimum(soft, -inside - 4.0), 2.0 * grain - 0.6), 0.7 * amount)
    _paint_petrous(canvas, side, inside, grain, z)
    _paint_sinuses(canvas, head, soft, grain, z)
    _paint_orbits(canvas, surface, z)


def _paint_petrous(canvas: Canvas, side: Field, inside: Field, grain: Field, z: float) -> None:
    """The wedge between middle and posterior fossa: dense bone, with air cells at its outer end."""
    if z > -14.0:
        return
    y = canvas.y
    wedge = capsule(side, y, (16.0, 4.0), (58.0, 20.0), 5.0 + 5.0 * smoothstep(-z, 20.0, 42.0))
    canvas.paint("bone", np.minimum(wedge, 2.0 - inside))
    cells = ellipse(side - 54.0, y - 19.0, 10.0, 10.0)
    canvas.paint("air", np.minimum(np.minimum(cells, -inside - 1.0), 2.0 * np.abs(grain) + 0.2), 0.85)
    canvas.paint("muscle", capsule(side, y, (30.0, 11.0), (36.0, 13.0), 1.4), 0.6)


def _paint_sinuses(canvas: Canvas, head: Head, soft: Field, grain: Field, z: float) -> None:
    x, y, side = canvas.x, canvas.y, np.abs(canvas.x)
    if -16.0 < z < -2.0:
        # Frontal sinus within the bone of the forehead.
        canvas.paint("air", ellipse(side - 10.0, y + head.half_length - 2.0, 9.0, 4.0))
    if z > -9.0:
        return
    nose = np.minimum(capsule(x, y, (0.0, -42.0), (0.0, -76.0), 10.5), soft)
    canvas.paint("bone", nose)
    canvas.paint("air", nose - 1.0)
    # Mucosa takes up contrast agent: septum, turbinates and the walls of the ethmoid cells are bright.
    canvas.paint("mucosa", np.minimum(nose - 1.0, 0.7 - side), 0.8)
    cells = 3.0 * np.sin(y * 0.55 + 1.3 * grain) - 2.3 + grain
    canvas.paint("mucosa", np.minimum(nose - 1.0, np.maximum(cells, 1.0 - np.abs(side - 5.5 - 1.5 * grain))), 0.7)
    if z < -18.0:
        sphenoid = ellipse(side - 6.0, y + 32.0, 7.5, 9.0)
        canvas.paint("bone", sphenoid + 1.5)
        canvas.paint("air", sphenoid)
    if z < -32.0:
        maxillary = ellipse(side - 30.0, y + 66.0, 13.0, 14.0)
        canvas.paint("bone", np.minimum(maxillary + 1.5, soft))
        canvas.paint("mucosa", np.minimum(maxillary, soft))
        canvas.paint("air", np.minimum(maxillary - 1.0, soft))


def _paint_orbits(canvas: Canvas, surface: Field, z: float) -> None:
    size = np.sqrt(max(1.0 - ((z + 24.0) / 15.0) ** 2, 0.0))
    if size == 0.0:
        return
    side, y = np.abs(canvas.x), canvas.y
    cone = np.maximum(
        ellipse(side - 31.0, y + 68.0, 18.0 * size, 17.0 * size),
        capsule(side, y, (29.0, -64.0), (17.0, -36.0), 8.0 * size),
    )
    canvas.paint("bone", np.minimum(cone + 2.0, surface - 4.0))
    canvas.paint("fat", np.minimum(cone, surface - 1.5))
    canvas.paint("muscle", np.minimum(capsule(side, y, (43.0, -66.0), (22.0, -38.0), 1.9), cone + 1.0))
    canvas.paint("muscle", np.minimum(capsule(side, y, (21.0, -66.0), (16.0, -40.0), 1.7), cone + 1.0))
    if abs(z + 24.0) < 5.0:
        canvas.paint("white", capsule(side, y, (30.0, -62.0), (15.0, -32.0), 1.9), 0.85)
    globe = 12.0**2 - (z + 24.0) ** 2
    if globe > 9.0:
        eye = np.sqrt(globe) - np.hypot(side - 32.0, y + 71.5)
        canvas.paint("mucosa", eye, 0.8)
        canvas.paint("vitreous", eye - 1.1)
        canvas.paint("muscle", np.minimum(ellipse(side - 32.0, y + 79.5, 4.6, 1.9), eye))


def paint_posterior_fossa(canvas: Canvas, head: Head, inside: Field, x: Field, y: Field, z: float) -> None:
    """Paints cisterns, brainstem, cerebellum and the contents of the sella.

    Args:
        canvas: The canvas with the cerebrum on it.
        head: The head.
        inside: Depth inside the cranial cavity, from `cavity`.
        x: x in mm at which the tissue of each pixel would lie had no tumour moved it, [rows, columns].
        y: y of the same places in mm.
        z: Height of the slice in mm.
    """
    if z > 6.0:
        return
    _paint_cerebellum(canvas, head, inside, x, y, z)
    cistern = ellipse(x, y - 4.0, 20.5, 16.0)
    canvas.paint("csf", np.minimum(cistern, inside), smoothstep(-z, -5.0, 2.0))
    if -16.0 < z < 0.0:
        bend = 2.0 * head.shape.at(x, y, z)
        arms = capsule(np.abs(x) + bend, y + bend, (6.0, -14.0), (34.0, -19.0), 0.9)
        star = np.maximum(ellipse(x, y + 13.0 + bend, 11.0, 7.0), arms)
        canvas.paint("csf", np.minimum(star, inside))
        canvas.paint("white", capsule(np.abs(x), y, (0.0, -14.0), (6.0, -19.0), 1.6), 0.8)
    if z < 4.0:
        pons = smoothstep(-z, 8.0, 20.0)
        medulla = smoothstep(-z, 34.0, 48.0)
        peduncles = capsule(np.abs(x), y, (4.0, 7.0), (10.0 - 4.0 * pons, 0.0), 8.5)
        stem = np.maximum(
            peduncles, ellipse(x, y - 8.0, (15.0 + 3.0 * pons) * (1.0 - 0.45 * medulla), 10.0 + 3.0 * pons)
        )
        canvas.paint("stem", np.minimum(stem, inside), smoothstep(-z, -4.0, 2.0))
        canvas.paint("stem", capsule(np.abs(x), y, (12.0, 12.0), (24.0, 24.0), 6.0), smoothstep(-z, 16.0, 24.0))
        canvas.paint("csf", ellipse(x, y - 16.0 - 6.0 * pons, 1.2 + 6.0 * pons, 1.4 + 3.6 * pons))
        canvas.dot("vessel", 0.6, -8.5 - 2.0 * pons, 1.5)
    _paint_sella(canvas, z)


def _paint_cerebellum(canvas: Canvas, head: Head, inside: Field, x: Field, y: Field, z: float) -> None:
    low = smoothstep(-z, -4.0, 26.0)
    if low <= 0.02:
        return
    tent = ellipse(x, y - 30.0 - 10.0 * low, 12.0 + 44.0 * low, 12.0 + 28.0 * low)
    whole = np.minimum(tent, inside - 1.2)
    canvas.paint("dura", np.minimum(np.minimum(tent + 1.4, inside), y - 12.0), 0.55 * low)
    canvas.paint("csf", np.minimum(tent + 0.7 * low, inside), 0.3 + 0.7 * low)
    canvas.paint("cerebellum", whole)
    grain = head.texture.at(x, y, z)
    # Folia lie in shells under the surface; white matter branches between them.
    shells = np.sin(1.45 * (np.hypot(x * 0.8, y - 14.0) + 1.6 * grain))
    canvas.paint("grey", np.minimum(whole - 0.5, 1.2 * shells + 0.2), 0.3 + 0.25 * low)
    canvas.paint("csf", np.minimum(whole + 0.5, 1.4 * shells - 1.05), 0.15 + 0.25 * low)
    arbor = ellipse(np.abs(x) - 18.0 * low, y - 34.0, 17.0 * low + 1.0, 11.0 * low + 1.0) + 2.5 * grain
    canvas.paint("white", np.minimum(arbor, whole - 4.0), 0.8)
    canvas.paint("grey", np.minimum(ellipse(x, y - 40.0, 5.0, 14.0) + grain, whole), 0.6 * low)
    if -30.0 < z < -12.0:
        sinus = np.minimum(1.9 - np.abs(inside - 1.4), np.minimum(y - 46.0, 0.12 * (np.abs(x) - 2.0)))
        canvas.paint("vessel", sinus, 0.75)


def _paint_sella(canvas: Canvas, z: float) -> None:
    side, x, y = np.abs(canvas.x), canvas.x, canvas.y
    if z > -18.0:
        if z < -2.0:
            canvas.dot("vessel", 0.0, -13.0, 1.5)
            canvas.dot("vessel", 10.0, -17.0, 2.0)
            canvas.dot("vessel", -10.0, -17.0, 2.0)
        return
    if z > -32.0:
        canvas.paint("bone", ellipse(x, y + 17.0, 19.0, 12.0))
        canvas.paint("vessel", ellipse(side - 12.5, y + 15.0, 4.0, 8.5), 0.75)
        canvas.paint("air", 2.4 - np.hypot(side - 12.0, y + 15.0), 0.7)
        canvas.paint("vessel", ellipse(x, y + 15.0, 6.5, 4.5), 0.85)
        canvas.paint("marrow", ellipse(x, y + 5.5, 9.0, 2.5), 0.7)
    else:
        canvas.paint("bone", ellipse(x, y + 12.0, 18.0, 9.0))
        canvas.paint("marrow", ellipse(x, y + 10.0, 13.0, 7.0), 0.85)
