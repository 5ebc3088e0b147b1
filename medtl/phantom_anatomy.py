"""A head made by a program: tissue labels on axial slices, different for each patient, and four kinds of tumour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from medtl.phantom_physics import TISSUES

GRID = 224
SPACING_MM = 1.0
KINDS = ("glioma", "meningioma", "pituitary", "metastasis")
INDEX = {name: number for number, name in enumerate(TISSUES)}

Mask = NDArray[np.bool_]
Labels = NDArray[np.uint8]


@dataclass(frozen=True)
class Head:
    """Shape of one patient's head, drawn once for all slices. Lengths in millimetres."""

    half_width: float
    half_length: float
    scalp: float
    skull: float
    tilt_rad: float
    shift: tuple[float, float]
    folds: NDArray[np.float64]
    ventricle: float
    height: float = 130.0


@dataclass(frozen=True)
class Lesion:
    """One tumour. `z` is its height in the head, 0 at the base and 1 at the vertex; lengths in millimetres."""

    kind: str
    x: float
    y: float
    z: float
    radius: float
    necrosis: float
    oedema: float
    bumps: NDArray[np.float64]


def draw_head(random: np.random.Generator) -> Head:
    """A head of adult size; the ranges cover the 5th to 95th percentile of head breadth and length."""
    return Head(
        half_width=random.uniform(66, 76),
        half_length=random.uniform(84, 96),
        scalp=random.uniform(3.5, 6.5),
        skull=random.uniform(4.5, 7.5),
        tilt_rad=random.normal(0, 0.06),
        shift=(float(random.normal(0, 3)), float(random.normal(0, 3))),
        folds=gaussian_filter(random.normal(size=(24, GRID, GRID)), (1.5, 3.2, 3.2), mode="wrap"),
        ventricle=random.uniform(0.75, 1.35),
    )


def draw_lesions(kind: str, head: Head, random: np.random.Generator) -> list[Lesion]:
    """The tumours of one patient: one of its kind, or two to five metastases."""
    if kind == "metastasis":
        return [_lesion(kind, head, random, random.uniform(4, 9)) for _ in range(random.integers(2, 6))]
    radius = {"glioma": (11, 24), "meningioma": (9, 20), "pituitary": (6, 12)}[kind]
    return [_lesion(kind, head, random, random.uniform(*radius))]


def _lesion(kind: str, head: Head, random: np.random.Generator, radius: float) -> Lesion:
    side = random.choice([-1.0, 1.0])
    inner = head.half_width - head.scalp - head.skull
    x, y, z = side * random.uniform(18, inner - radius - 8), random.uniform(-45, 45), random.uniform(0.3, 0.75)
    if kind == "meningioma":
        angle = random.uniform(0, 2 * np.pi)
        length = head.half_length - head.scalp - head.skull
        # its centre lies a little inside the dura, so that its base is broad
        x, y = (inner - 0.55 * radius) * np.cos(angle), (length - 0.55 * radius) * np.sin(angle)
        z = random.uniform(0.3, 0.7)
    if kind == "pituitary":
        x, y, z = random.normal(0, 1.5), -12 + random.normal(0, 2), random.uniform(0.13, 0.2)
    return Lesion(
        kind=kind,
        x=float(x),
        y=float(y),
        z=float(z),
        radius=float(radius),
        necrosis=float(random.uniform(0.45, 0.75)) if kind in ("glioma", "metastasis") else 0.0,
        oedema=float(random.uniform(1.25, 1.8)) if kind in ("glioma", "metastasis") else 1.0,
        bumps=random.normal(size=8),
    )


def slice_labels(head: Head, lesions: list[Lesion], z: float) -> tuple[Labels, Mask]:
    """Tissue numbers [rows, columns] of the axial slice at height `z` in 0..1, and the mask of its tumour."""
    x, y = _coordinates(head)
    scale = np.sqrt(max(0.02, 1.0 - max(0.0, z - 0.35) ** 2 / 0.46)) * (1.0 - 0.25 * max(0.0, 0.25 - z) / 0.25)
    outer = _ellipse(x, y, head.half_width * scale, head.half_length * scale)
    labels = np.zeros((GRID, GRID), dtype=np.uint8)
    depth = (1.0 - outer) * head.half_width * scale
    uneven = 1.0 + 0.8 * head.folds[7] / np.abs(head.folds[7]).max()
    labels[depth > 0] = INDEX["muscle"]
    labels[(depth > 1.2) & (depth < head.scalp * uneven)] = INDEX["fat"]
    labels[depth > head.scalp] = INDEX["bone"]
    marrow = head.scalp + head.skull / 2
    labels[np.abs(depth - marrow) < 0.9 * uneven] = INDEX["grey"]
    labels[depth > head.scalp + head.skull] = INDEX["csf"]
    brain_depth = depth - head.scalp - head.skull - 1.5
    _brain(labels, head, x, y, brain_depth, z)
    if z < 0.3:
        _base(labels, head, x, y, brain_depth, z)
    mask = np.zeros_like(labels, dtype=bool)
    for lesion in lesions:
        _grow(labels, mask, lesion, head, x, y, brain_depth, z)
    return labels, mask


def _coordinates(head: Head) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows, columns = np.mgrid[:GRID, :GRID] * SPACING_MM
    x, y = columns - GRID * SPACING_MM / 2 - head.shift[0], rows - GRID * SPACING_MM / 2 - head.shift[1]
    cosine, sine = np.cos(head.tilt_rad), np.sin(head.tilt_rad)
    return cosine * x + sine * y, cosine * y - sine * x


def _ellipse(x: NDArray[np.float64], y: NDArray[np.float64], a: float, b: float) -> NDArray[np.float64]:
    """Radius relative to an ellipse that is blunter at the back than at the front, like a skull seen from above."""
    narrowed = a * (1.0 - 0.10 * np.clip(-y / b, -1, 1))
    return np.asarray(np.sqrt((x / narrowed) ** 2 + (y / b) ** 2))


def _brain(
    labels: Labels, head: Head, x: NDArray[np.float64], y: NDArray[np.float64], depth: NDArray[np.float64], z: float
) -> None:
    fold = head.folds[int(z * (len(head.folds) - 1))]
    fold = fold / np.abs(fold).max()
    inside = depth > 0
    # sulci run along the zero lines of a smooth random field, which wind and branch as they do
    near_surface = depth < 17 + 12 * fold
    sulcus = inside & near_surface & (np.abs(fold) < 0.045)
    cortex = (depth < 3.5) | (near_surface & (np.abs(fold) < 0.21))
    labels[inside] = INDEX["white"]
    labels[inside & cortex] = INDEX["grey"]
    labels[sulcus] = INDEX["csf"]
    labels[inside & (np.abs(x) < 1.2) & ((np.abs(y) > 26) | (z > 0.72))] = INDEX["csf"]
    if 0.42 < z < 0.72:
        labels[inside & _deep_grey(x, y, z)] = INDEX["grey"]
        labels[inside & _ventricles(x, y, z, head.ventricle)] = INDEX["csf"]
        plexus = inside & (((np.abs(x) - 14 * head.ventricle) ** 2 + (y - 24) ** 2) < 7)
        labels[plexus & (z < 0.58)] = INDEX["vessel"]
    sinus = (x**2 + (y - (y[depth > 0].max() if inside.any() else 0) - 1) ** 2) < 12
    labels[sinus & (z > 0.3)] = INDEX["vessel"]


def _ventricles(x: NDArray[np.float64], y: NDArray[np.float64], z: float, size: float) -> Mask:
    spread = 1.0 + 1.6 * (0.72 - z)
    front = ((np.abs(x) - (5 + 0.28 * np.clip(-y, 0, 40)) * spread) / (4.2 * size)) ** 2 + ((y + 16) / 17) ** 2 < 1
    back = ((np.abs(x) - (8 + 0.36 * np.clip(y, 0, 45)) * spread) / (4.8 * size)) ** 2 + ((y - 22) / 17) ** 2 < 1
    third = (np.abs(x) < 1.6 * size) & (np.abs(y - 2) < 13) & (z < 0.56)
    return np.asarray(front | back | third)


def _deep_grey(x: NDArray[np.float64], y: NDArray[np.float64], z: float) -> Mask:
    thalamus = ((np.abs(x) - 10) / 8) ** 2 + ((y - 6) / 13) ** 2 < 1
    caudate = ((np.abs(x) - 14) / 4.5) ** 2 + ((y + 22) / 8) ** 2 < 1
    putamen = ((np.abs(x) - 25 - 0.1 * y) / 4.5) ** 2 + ((y + 4) / 16) ** 2 < 1
    return np.asarray((thalamus | caudate | putamen) & (z < 0.64))


def _base(
    labels: Labels, head: Head, x: NDArray[np.float64], y: NDArray[np.float64], depth: NDArray[np.float64], z: float
) -> None:
    """Orbits, temporal lobes apart from a cerebellum with folia, brainstem, and the bone between them."""
    inside = depth > 0
    face = inside & (y < -34 + 60 * (0.3 - z))
    labels[face] = INDEX["muscle"]
    labels[face & (np.abs(x) < 13) & (depth > 6)] = INDEX["air"]
    for side in (-1, 1):
        eye = (x - side * 31) ** 2 + (y + 60) ** 2
        labels[(eye < 20**2) & face] = INDEX["fat"]
        labels[(eye < 12.5**2) & inside] = INDEX["csf"]
        ridge = np.abs(y - 8 + 0.45 * side * x) < 3.5
        labels[inside & ridge & (side * x > 18)] = INDEX["bone"]
        carotid = (x - side * 11) ** 2 + (y + 10) ** 2 < 6
        labels[inside & carotid] = INDEX["vessel"]
    cerebellum = inside & (y > 16) & ((x / 48) ** 2 + ((y - 38) / 30) ** 2 < 1)
    folia = np.sin(1.15 * np.hypot(x * 0.7, y - 14) + 2 * head.folds[0] / np.abs(head.folds[0]).max())
    labels[cerebellum] = np.where(folia[cerebellum] > 0.1, INDEX["grey"], INDEX["white"])
    labels[inside & ((x / 15) ** 2 + ((y - 6) / 13) ** 2 < 1)] = INDEX["white"]
    labels[inside & ((x / 6) ** 2 + ((y - 19) / 4) ** 2 < 1)] = INDEX["csf"]
    labels[inside & ((x / 9) ** 2 + ((y + 12) / 5) ** 2 < 1)] = INDEX["csf"]


def _grow(
    labels: Labels,
    mask: Mask,
    lesion: Lesion,
    head: Head,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    depth: NDArray[np.float64],
    z: float,
) -> None:
    height_mm = (z - lesion.z) * head.height
    if abs(height_mm) >= lesion.radius * lesion.oedema:
        return
    dx, dy = x - lesion.x, y - lesion.y
    angle = np.arctan2(dy, dx)
    rough = 0.13 if lesion.kind == "glioma" else 0.05
    wave = sum(bump * np.cos((k + 2) * angle) for k, bump in enumerate(lesion.bumps[:4])) * rough / 1.5
    distance = np.sqrt(dx**2 + dy**2 + height_mm**2) / (lesion.radius * (1.0 + wave))
    allowed = depth > (-1.5 if lesion.kind == "meningioma" else 0.0)
    brain = np.isin(labels, (INDEX["white"],)) & (depth > 0)
    labels[brain & (distance < lesion.oedema)] = INDEX["oedema"]
    tumour = allowed & (distance < 1.0)
    labels[tumour] = INDEX["tumour"]
    if lesion.necrosis:
        core = sum(bump * np.sin((k + 1) * angle) for k, bump in enumerate(lesion.bumps[4:])) * 0.1
        labels[tumour & (distance < lesion.necrosis + core)] = INDEX["necrosis"]
    mask |= tumour
