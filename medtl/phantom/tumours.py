"""Four kinds of tumour, drawn into a head where each kind grows, and what they do to the brain around them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medtl.phantom.anatomy import Head, cavity, oval
from medtl.phantom.canvas import Canvas, Field

KINDS = ("glioma", "meningioma", "pituitary", "metastasis")
RADII_MM = {"glioma": (13.0, 24.0), "meningioma": (11.0, 22.0), "pituitary": (8.5, 15.0), "metastasis": (5.0, 10.0)}
"""Smallest and largest radius of each kind: glioblastomas are found at 3 to 5 cm, meningiomas from 2 cm, pituitary
macroadenomas from 1.5 cm."""
ROUGHNESS = {"glioma": 0.20, "meningioma": 0.06, "pituitary": 0.08, "metastasis": 0.07}
"""Departure of the border from a ball, as a share of the radius for noise of one standard deviation."""
PUSH = {"glioma": 0.40, "meningioma": 0.45, "pituitary": 0.15, "metastasis": 0.15}
"""How far the brain at the border is moved, as a share of the radius."""


@dataclass(frozen=True)
class Lesion:
    """One tumour. Lengths in millimetres, in the frame of the head.

    Attributes:
        kind: One of `KINDS`.
        x: Position of its centre, towards the patient's left.
        y: Position of its centre, towards the back.
        z: Height of its centre.
        radius: Half its diameter.
        core: Thickness of the enhancing rim around necrosis as a share of the radius; 1 for a solid tumour.
        oedema: Reach of the oedema beyond the border as a share of the radius.
        uptake: Opacity of the enhancing tissue, 0 to 1.
        offset: Shift of the noise for its border, so that two tumours differ.
    """

    kind: str
    x: float
    y: float
    z: float
    radius: float
    core: float
    oedema: float
    uptake: float
    offset: float


def draw_lesions(kind: str, head: Head, random: np.random.Generator) -> list[Lesion]:
    """Draws the tumours of one patient: two to five metastases, or one tumour of any other kind.

    Args:
        kind: One of `KINDS`.
        head: The head that they grow in.
        random: Generator of the draws.

    Raises:
        KeyError: `kind` is another one.
    """
    count = int(random.integers(2, 6)) if kind == "metastasis" else 1
    return [_draw_lesion(kind, head, random) for _ in range(count)]


def _draw_lesion(kind: str, head: Head, random: np.random.Generator) -> Lesion:
    radius = random.uniform(*RADII_MM[kind])
    x, y, z = _place(kind, radius, head, random)
    rim = {"glioma": random.uniform(0.18, 0.5), "metastasis": random.choice([1.0, 0.4])}.get(kind, 1.0)
    swelling = {"glioma": (0.25, 0.9), "metastasis": (0.4, 1.2), "meningioma": (0.0, 0.35)}.get(kind, (0.0, 0.0))
    return Lesion(
        kind=kind,
        x=x,
        y=y,
        z=z,
        radius=radius,
        core=float(rim),
        oedema=random.uniform(*swelling),
        uptake=random.uniform(0.6, 1.0) if kind == "glioma" else random.uniform(0.75, 1.0),
        offset=random.uniform(0.0, 190.0),
    )


def _place(kind: str, radius: float, head: Head, random: np.random.Generator) -> tuple[float, float, float]:
    """Gliomas and metastases lie in the hemispheres, meningiomas on dura, pituitary tumours in the sella."""
    if kind == "pituitary":
        return random.normal(0.0, 1.0), -15.0 + random.normal(0.0, 1.5), -24.0 + 0.55 * radius + random.normal(0.0, 1.0)
    side = float(random.choice([-1.0, 1.0]))
    z = random.uniform(2.0, 46.0)
    if kind == "meningioma" and random.random() < 0.25:
        return side * 0.75 * radius, float(random.choice([-1.0, 1.0])) * random.uniform(36.0, 48.0), z
    deep = 0.55 * radius if kind == "meningioma" else radius + 5.0
    angle = random.uniform(-1.25, 1.25) if kind == "meningioma" else random.uniform(-1.1, 1.1)
    reach = np.linspace(0.0, 95.0, 191, dtype=np.float32)
    way = side * np.cos(angle) * reach, np.sin(angle) * reach
    edge = float(reach[cavity(head, oval(head, *way, z), *way, z) > deep].max(initial=20.0))
    distance = edge if kind == "meningioma" else random.uniform(min(22.0, edge), edge)
    return side * float(np.cos(angle)) * distance, float(np.sin(angle)) * distance, z


def displaced(lesions: list[Lesion], x: Field, y: Field, z: float) -> tuple[Field, Field]:
    """Computes where the tissue of each pixel lay before the tumours pushed it aside.

    Args:
        lesions: The tumours of the patient; without any, the tissue lies where it lay.
        x: x of each pixel in mm, [rows, columns].
        y: y of each pixel in mm.
        z: Height of the slice in mm.

    Returns:
        x and y in mm, float32 [rows, columns] each.
    """
    for lesion in lesions:
        near = np.exp(-(((z - lesion.z) / (1.5 * lesion.radius)) ** 2))
        dx, dy = x - lesion.x, y - lesion.y
        distance = np.maximum(np.hypot(dx, dy), 1.0)
        push = PUSH[lesion.kind] * lesion.radius * near * np.exp(-((distance / (2.2 * lesion.radius)) ** 2))
        push = np.minimum(push, 0.8 * distance)
        x, y = x - push * dx / distance, y - push * dy / distance
    return x.astype(np.float32), y.astype(np.float32)


def paint_lesions(
    canvas: Canvas, head: Head, lesions: list[Lesion], inside: Field, white: Field, z: float
) -> NDArray[np.bool_]:
    """Paints the tumours that a slice cuts.

    Args:
        canvas: The canvas with the brain on it.
        head: The head, whose noise makes the borders.
        lesions: The tumours of the patient.
        inside: Depth inside the cranial cavity, from `cavity`.
        white: Depth inside white matter, from `paint_brain`.
        z: Height of the slice in mm.

    Returns:
        bool [rows, columns], true where there is tumour, necrosis included and oedema not.
    """
    mask = np.zeros(inside.shape, dtype=bool)
    for lesion in lesions:
        if abs(z - lesion.z) < 1.3 * lesion.radius:
            mask |= _paint_lesion(canvas, head, lesion, inside, white, z) > 0.0
    return mask


def _paint_lesion(canvas: Canvas, head: Head, lesion: Lesion, inside: Field, white: Field, z: float) -> Field:
    x, y = canvas.x, canvas.y
    height = z - lesion.z
    coarse = head.shape.at(x + lesion.offset, y, z)
    fine = head.texture.at(x, y + lesion.offset, z)
    radius = (
        lesion.radius * (1.0 + ROUGHNESS[lesion.kind] * coarse) + 0.35 * ROUGHNESS[lesion.kind] * lesion.radius * fine
    )
    depth = np.asarray(radius - np.sqrt((x - lesion.x) ** 2 + (y - lesion.y) ** 2 + height**2), dtype=np.float32)
    if lesion.kind == "meningioma":
        depth = np.minimum(depth, inside + 0.3)
        if lesion.x * lesion.x < lesion.radius**2:
            depth = np.minimum(depth, np.sign(lesion.x) * x + 0.5)  # the falx holds it back
    elif lesion.kind != "pituitary":
        depth = np.minimum(depth, inside - 1.0)
    if abs(height) < lesion.radius:
        reach = lesion.oedema * lesion.radius * np.sqrt(1.0 - (height / lesion.radius) ** 2)
        swollen = np.minimum(depth + reach * (1.0 + 0.5 * coarse) + 1.5 * fine, white + 0.8)
        soft = np.clip(swollen / 4.0, 0.0, 1.0)
        canvas.paint("oedema", swollen, soft)
    if lesion.kind == "meningioma":
        canvas.paint("csf", np.minimum(depth + 1.0, inside), 0.6)
        tail = np.minimum(np.minimum(1.6 - np.abs(inside), depth + 0.7 * lesion.radius), np.float32(1.5))
        canvas.paint("tumour", tail, 0.7)
    grain = {"glioma": 0.30, "metastasis": 0.10}.get(lesion.kind, 0.05)
    canvas.paint("tumour", depth, np.clip(lesion.uptake * (1.0 + grain * fine), 0.1, 1.0))
    if lesion.core < 1.0:
        rim = lesion.core * lesion.radius * np.clip(1.0 + 0.45 * coarse + 0.3 * fine, 0.2, 2.2)
        canvas.paint("necrosis", depth - rim)
    return depth
