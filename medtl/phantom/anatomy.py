"""The head of one made-up patient, slice by slice: scalp, skull, and the brain above the skull base.

Heights are millimetres over the plane through the commissures: about -40 at the pons, 0 at the midbrain, 20 at the
bodies of the ventricles, 65 near the vertex. Positions and sizes are those of an adult as one reads them off an
atlas of axial anatomy, varied between heads.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medtl.phantom.canvas import Canvas, Field, Noise, capsule, ellipse, smoothstep

LOWEST_MM, HIGHEST_MM = -42.0, 64.0
"""Heights of the first and the last slice."""
CORTEX_MM = 2.8
"""Thickness of the cortex: 1 to 4.5 mm, 2.5 mm on average. Source: Fischl & Dale, PNAS 97:11050, 2000."""


@dataclass(frozen=True)
class Head:
    """Size and shape of one head, drawn once for all its slices. Lengths in millimetres.

    Attributes:
        half_width: Half the width of the cranial cavity at its widest.
        half_length: Half the length of the cranial cavity along the midline.
        scalp: Thickness of the scalp.
        skull: Thickness of the skull.
        tilt_rad: Rotation of the head in the axial plane, in radians.
        shift: Offset of the head from the centre of the scanner, along x and y.
        ventricles: Size of the ventricles relative to the usual.
        atrophy: Width of sulci and of the space around the brain relative to the usual.
        temporalis: Thickness of the muscle at the temple.
        wobble: Departure of the skull from an oval, amplitude and phase of its harmonics, [orders, 2].
        veins: Cortical veins: angle, lowest and highest height, and radius of each, [veins, 4].
        spots: Vessels in white matter that look like small tumours: x, y, height and radius of each, [spots, 4].
        grey_spots: Dark spots in white matter, as older people have them: x, y, height and radius of each, [spots, 4].
        folds: Noise for the sulci.
        texture: Noise for the grain of tissues.
        shape: Noise for all else that is irregular.
    """

    half_width: float
    half_length: float
    scalp: float
    skull: float
    tilt_rad: float
    shift: tuple[float, float]
    ventricles: float
    atrophy: float
    temporalis: float
    wobble: NDArray[np.float64]
    veins: NDArray[np.float64]
    spots: NDArray[np.float64]
    grey_spots: NDArray[np.float64]
    folds: Noise
    texture: Noise
    shape: Noise


def draw_head(random: np.random.Generator) -> Head:
    """Draws a head of adult size and shape at random.

    Args:
        random: Generator of all draws; in the same state it gives the same head.
    """
    orders = np.arange(2, 6)
    return Head(
        half_width=random.uniform(62.0, 70.0),
        half_length=random.uniform(78.0, 87.0),
        scalp=random.uniform(3.5, 6.5),
        skull=random.uniform(4.5, 7.0),
        tilt_rad=random.normal(0.0, 0.05),
        shift=(random.normal(0.0, 3.0), random.normal(0.0, 3.0)),
        ventricles=random.uniform(0.75, 1.45),
        atrophy=random.uniform(0.6, 1.5),
        temporalis=random.uniform(3.0, 6.0),
        wobble=np.stack([random.normal(0.0, 0.02 / orders), random.uniform(0.0, 2.0 * np.pi, len(orders))], axis=1),
        veins=_draw_veins(random),
        spots=_draw_spots(random, int(random.integers(0, 3)), (0.8, 1.6)),
        grey_spots=_draw_spots(random, int(random.choice([0, 0, 3, 8])), (1.5, 3.5)),
        folds=Noise(random, 4.7),
        texture=Noise(random, 3.0),
        shape=Noise(random, 9.0),
    )


def _draw_veins(random: np.random.Generator) -> NDArray[np.float64]:
    count = 26
    low = random.uniform(-10.0, 55.0, count)
    return np.stack(
        [
            random.uniform(0.0, 2.0 * np.pi, count),
            low,
            low + random.uniform(6.0, 18.0, count),
            random.uniform(0.7, 1.7, count),
        ],
        axis=1,
    )


def _draw_spots(random: np.random.Generator, count: int, radii: tuple[float, float]) -> NDArray[np.float64]:
    side = random.choice([-1.0, 1.0], count)
    x, y = side * random.uniform(16.0, 40.0, count), random.uniform(-45.0, 45.0, count)
    return np.stack([x, y, random.uniform(5.0, 45.0, count), random.uniform(*radii, count)], axis=1)


def oval(head: Head, x: Field, y: Field, z: float) -> Field:
    """Computes the depth of points inside the skull's inner surface, continued below the brain as if it had no base.

    Args:
        head: The head.
        x: x of each point in mm, [rows, columns].
        y: y of each point in mm.
        z: Height of the slice in mm.

    Returns:
        Depth of each point, as `ellipse` defines it, [rows, columns].
    """
    size = (1.0 - abs(max(z - 8.0, 0.0) / 70.0) ** 2.5) ** (1.0 / 2.2)
    size *= 1.0 - 0.10 * (max(8.0 - z, 0.0) / 50.0) ** 2
    a, b = head.half_width * size, head.half_length * size
    wobble = _wobble(head, x / np.float32(a), y / np.float32(b))
    # Seen from above a skull is broadest behind its middle.
    broad = 1.0 - 0.11 * np.clip(-(y + 4.0) / b, -1.0, 1.0) - 0.09 * np.clip(y / b, 0.0, 1.0) ** 2
    return ellipse(x / (broad * (1.0 + wobble)), y / (1.0 + wobble), a, b)


def _wobble(head: Head, x: Field, y: Field) -> Field:
    """Departure from the oval at each point: harmonics of the angle, as powers of the unit vector, for speed."""
    unit = (x + 1j * y) / np.maximum(np.sqrt(x * x + y * y), 1e-3)
    power, total = unit.astype(np.complex64), np.zeros_like(x)
    for amplitude, phase in head.wobble:
        power = power * unit
        total += np.float32(amplitude * np.cos(phase)) * power.real - np.float32(amplitude * np.sin(phase)) * power.imag
    return total


def cavity(head: Head, vault: Field, x: Field, y: Field, z: float) -> Field:
    """Computes the depth inside the cranial cavity, which low down parts into middle fossae and posterior fossa.

    Args:
        head: The head.
        vault: Depth inside the vault at the same points, from `oval`.
        x: x of each point in mm, [rows, columns].
        y: y of each point in mm.
        z: Height of the slice in mm.

    Returns:
        Depth of each point in mm, negative outside, [rows, columns].
    """
    low = smoothstep(-z, 4.0, 22.0)
    if low == 0.0:
        return vault
    deep = smoothstep(-z, 12.0, 48.0)
    wide = head.half_width / 66.0
    middle = ellipse(
        np.abs(x) - (34.0 + 3.0 * deep) * wide, y + 12.0, (26.0 - 6.0 * deep) * wide, 31.0 - 9.0 * deep, 0.25
    )
    back = ellipse(x, y - 36.0, (55.0 - 7.0 * deep) * wide, 46.0 - 8.0 * deep)
    centre = ellipse(x, y, 24.0, 22.0)
    fossae = np.maximum(np.maximum(middle, back), centre) + 1.3 * head.shape.at(x, y, z)
    return np.minimum((1.0 - low) * vault + low * fossae, vault)


def paint_vault(canvas: Canvas, head: Head, inner: Field, z: float) -> Field:
    """Paints skin, fat, muscle and skull around the vault.

    Args:
        canvas: The empty canvas.
        head: The head.
        inner: Depth inside the vault, from `oval`.
        z: Height of the slice in mm.

    Returns:
        Depth inside the head's surface.
    """
    x, y = canvas.x, canvas.y
    temple = (
        np.exp(-(((y + 28.0) / 24.0) ** 2))
        * np.clip(np.abs(x) / 40.0 - 0.5, 0.0, 1.0)
        * (1.0 - smoothstep(z, 0.0, 34.0))
    )
    uneven = 1.0 + 0.11 * head.shape.at(x, y, z)
    scalp = head.scalp * uneven * (1.0 + 0.35 * np.clip(y / 90.0, -0.4, 1.0))
    # Near the vertex the slice cuts scalp and skull at a slant.
    slant = 1.0 + 0.6 * smoothstep(z, 40.0, 70.0)
    skull = head.skull * slant
    surface = inner + skull + (scalp + head.temporalis * temple) * slant
    if z < -4.0:
        cheeks = smoothstep(-z, 4.0, 18.0)
        surface = np.maximum(surface, ellipse(x, y + 46.0, 48.0 + 14.0 * cheeks, 36.0 + 12.0 * cheeks))
    if z < -14.0:
        surface = np.maximum(surface, _nose_and_ears(x, y, z))
    canvas.paint("muscle", surface)
    canvas.paint("fat", surface - 1.4)
    canvas.paint("muscle", np.minimum(surface - scalp * slant, np.float32(30.0)))
    canvas.paint("bone", inner + skull)
    diploe = np.minimum(inner + skull - 0.3 * skull, -0.3 * skull - inner)
    grain = np.clip(0.75 + 0.3 * head.texture.at(x, y, z), 0.0, 1.0)
    canvas.paint("marrow", diploe, grain)
    return np.asarray(surface, dtype=np.float32)


def _nose_and_ears(x: Field, y: Field, z: float) -> Field:
    low = smoothstep(-z, 14.0, 42.0)
    nose = ellipse(x, y + 86.0, 11.0 + 4.0 * low - 0.12 * np.clip(-86.0 - y, 0.0, 30.0), 12.0 + 11.0 * low)
    ear = ellipse(np.abs(x) - 75.0, y - 10.0, 3.2, 13.0, 0.5)
    return np.maximum(nose, ear) if z < -20.0 else nose


def paint_brain(canvas: Canvas, head: Head, inside: Field, x: Field, y: Field, z: float) -> Field:
    """Paints the cerebrum and the fluid around it.

    Args:
        canvas: The canvas with the skull on it.
        head: The head.
        inside: Depth inside the cranial cavity, from `cavity`.
        x: x in mm at which the tissue of each pixel would lie had no tumour moved it, [rows, columns].
        y: y of the same places in mm.
        z: Height of the slice in mm.

    Returns:
        Depth inside white matter.
    """
    canvas.paint("dura", inside + 0.3)
    canvas.paint("csf", inside - 0.5)
    depth = inside - 0.8 - 0.8 * head.atrophy
    sulcus, width = _sulci(head, inside, x, y, z)
    cleft = _clefts(head, x, y, z)
    pia = np.minimum(np.minimum(depth, sulcus - 0.5 * width), cleft)
    canvas.paint("grey", depth)
    white = np.minimum(pia - CORTEX_MM * (1.0 + 0.15 * head.texture.at(x, y, z)), depth - CORTEX_MM)
    canvas.paint("white", white)
    canvas.paint("csf", np.minimum(width - sulcus, depth + 1.0))
    canvas.paint("csf", np.minimum(-cleft, depth + 1.0))
    for spot_x, spot_y, height, radius in head.grey_spots:
        if abs(z - height) < 6.0:
            canvas.paint("oedema", np.minimum(radius - np.hypot(x - spot_x, y - spot_y), white), 0.8)
    _paint_deep_grey(canvas, x, y, z)
    _paint_ventricles(canvas, head, x, y, z)
    return np.asarray(white, dtype=np.float32)


def _sulci(head: Head, inside: Field, x: Field, y: Field, z: float) -> tuple[Field, Field]:
    """Distance from the nearest sulcus, and half its width. Sulci are where noise changes sign near the surface."""
    # Noise stretched along the way inwards, so that sulci run in from the surface.
    radius = np.maximum(np.hypot(x, y), 8.0)
    out = 1.0 + 0.45 * np.clip(inside, 0.0, 30.0) / radius
    noise = head.folds.at(x * out, y * out, 0.8 * z)
    slope = np.hypot(*np.gradient(noise, _step(x)))
    line = np.abs(noise) / np.maximum(slope, 0.04)
    reach = 17.0 + 6.0 * head.shape.at(x + 60.0, y, z)
    distance = np.hypot(line, np.maximum(inside - reach, 0.0))
    width = head.atrophy * (0.40 + 0.80 * np.clip(1.0 - inside / 14.0, 0.0, 1.0))
    return distance.astype(np.float32), width.astype(np.float32)


def _step(x: Field) -> float:
    """Pixel spacing of a grid of coordinates, whichever way it is turned."""
    return float(np.hypot(x[0, 1] - x[0, 0], x[1, 0] - x[0, 0]))


def _clefts(head: Head, x: Field, y: Field, z: float) -> Field:
    """Distance from the fissure between the hemispheres and from the Sylvian fissures, negative in them."""
    wander = x + 0.8 * head.shape.at(x * 0.0, y, z)
    half = 0.5 + 0.6 * head.atrophy
    middle = np.abs(wander) - half
    if z < 30.0:
        # The corpus callosum and what lies below it join the hemispheres.
        join = 31.0 - 14.0 * smoothstep(abs(z - 8.0), 12.0, 24.0)
        middle = np.hypot(middle, np.maximum(join - np.abs(y), 0.0))
    side = np.abs(x)
    if not -12.0 < z < 26.0:
        return np.asarray(middle, dtype=np.float32)
    thick = 0.6 + 0.9 * head.atrophy * (1.0 - smoothstep(z, 8.0, 26.0))
    bend = 1.8 * head.shape.at(x, y + 40.0, z) + 0.8 * head.texture.at(x, y, z)
    across, along = side + bend, y + bend
    mouth = capsule(across, along, (66.0, -21.0), (47.0, -18.0), thick * 0.9)
    front = capsule(across, along, (47.0, -18.0), (38.0, -21.0), thick * 1.1)
    insula = capsule(across, along, (46.0, -17.0), (41.0 + 0.15 * z, 12.0), thick)
    return np.asarray(np.minimum(middle, -np.maximum(np.maximum(insula, mouth), front)), dtype=np.float32)


def _paint_deep_grey(canvas: Canvas, x: Field, y: Field, z: float) -> None:
    side = np.abs(x)
    if -6.0 < z < 22.0:
        size = np.sqrt(max(1.0 - ((z - 8.0) / 15.0) ** 2, 0.05))
        canvas.paint("deep_grey", ellipse(side - 10.0, y - 7.0, 8.5 * size, 13.0 * size, -0.35))
        canvas.paint("deep_grey", ellipse(side - 25.5, y + 5.0, 6.5 * size, 15.0 * size, -0.25))
    if -2.0 < z < 28.0:
        canvas.paint("deep_grey", ellipse(side - 12.0, y + 20.0, 4.5, 8.0, -0.3))


def _paint_ventricles(canvas: Canvas, head: Head, x: Field, y: Field, z: float) -> None:
    size, side = head.ventricles, np.abs(x - 0.5)
    roof = 1.0 - smoothstep(z, 20.0, 34.0)
    if roof <= 0.0:
        return
    if z > -2.0:
        up = smoothstep(z, 8.0, 24.0)
        horn = capsule(side, y, (3.6 + 4.0 * up, -13.0), (9.0 + 4.0 * up, -29.0), 2.6 * size * roof)
        canvas.paint("csf", horn)
        if up > 0.05:
            curve = side - 6.5 - 0.0065 * np.clip(y + 18.0, 0.0, 60.0) ** 2 - 0.05 * (y + 18.0)
            width = 5.4 * size * up * roof * np.sqrt(np.clip(1.0 - ((y + 2.0) / 27.0) ** 2, 0.0, 1.0))
            body = np.minimum(width - np.abs(curve), 25.0 - np.abs(y + 2.0))
            canvas.paint("csf", body)
        canvas.paint("white", 0.6 - np.abs(x - 0.5) + np.minimum(ellipse(x, y + 21.0, 3.0, 11.0), 0.0))
    if 0.0 < z < 30.0:
        away = 1.0 - smoothstep(z, 14.0, 30.0)
        atrium = capsule(
            side, y, (19.0 - 2.0 * smoothstep(z, 6.0, 24.0), 22.0), (24.0, 30.0 + 14.0 * away), 3.6 * size * roof
        )
        canvas.paint("csf", atrium)
        if z < 20.0:
            canvas.paint(
                "vessel", np.minimum(capsule(side, y, (18.0, 24.0), (20.5, 30.0), 1.3 * size), atrium + 1.0), 0.65
            )
    if -8.0 < z < 13.0:
        canvas.paint("csf", capsule(x, y, (0.0, -8.0), (0.0, 13.0), 1.3 * size))
    if -12.0 < z < 2.0:
        canvas.paint("csf", capsule(side, y, (31.0, 6.0), (27.0, -3.0), 0.9 * size), 0.8)


def paint_vessels(canvas: Canvas, head: Head, inside: Field, z: float) -> None:
    """Paints the vessels of a healthy head, which take up contrast agent: sinuses, falx, veins.

    Args:
        canvas: The canvas with the brain on it.
        head: The head.
        inside: Depth inside the cranial cavity, from `cavity`.
        z: Height of the slice in mm.
    """
    x, y = canvas.x, canvas.y
    if z > -8.0:
        fissure = (np.abs(y) > 33.0) | (z > 34.0)
        canvas.paint("dura", np.where(fissure, np.minimum(0.35 - np.abs(x), inside), -1.0), 0.9)
        on_midline = np.abs(x) < 1.5
        back = float(y[on_midline & (inside > 0.0)].max(initial=0.0))
        front = float(y[on_midline & (inside > 0.0)].min(initial=0.0))
        canvas.paint("vessel", capsule(x, y, (0.0, back - 4.5), (0.0, back - 1.0), 2.2))
        canvas.paint("vessel", capsule(x, y, (-2.5, back - 0.5), (2.5, back - 0.5), 1.4))
        if z > 25.0:
            canvas.dot("vessel", 0.0, front + 2.0, 1.6)
    for angle, low, high, radius in head.veins:
        if low < z < high:
            outside = np.cos(angle) * x + np.sin(angle) * y > 0.97 * np.hypot(x, y)
            edge = np.where(outside & (inside > 0.5), inside, np.inf)
            row, column = np.unravel_index(int(np.argmin(edge)), edge.shape)
            canvas.dot("vessel", float(x[row, column]), float(y[row, column]), radius)
    for spot_x, spot_y, height, radius in head.spots:
        if abs(z - height) < 6.0:
            canvas.paint("vessel", capsule(x, y, (spot_x, spot_y), (spot_x * 1.06, spot_y * 1.04), radius), 0.7)
    if 4.0 < z < 16.0:
        canvas.paint("vessel", capsule(x, y, (0.0, 21.0), (0.0, 27.0), 1.2), 0.7)
    if -14.0 < z < 10.0:
        for side in (-1.0, 1.0):
            canvas.dot("vessel", side * 39.0, -14.0, 1.0)
            canvas.dot("vessel", side * 40.0, -3.0, 0.9)
        canvas.dot("vessel", 1.2, -34.0, 1.0)
