"""Putting the slices of one DICOM series in order, and saying what its geometry reveals."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.errors import InputRefused

COSINE_TOLERANCE = 0.05
"""Direction cosines that differ by less (3 degrees) are one orientation: scanners round, people tilt by more."""
SAME_PLACE_MM = 0.01
"""Below any slice spacing and above the rounding of a decimal string of 16 characters."""
GAP_FACTOR = 1.5
"""A step this much wider than the usual one has room for a slice that is not there."""


@dataclass(frozen=True)
class Slice:
    """One slice of a series.

    Attributes:
        pixels: float32 [rows, columns].
        position: Of the first pixel, three numbers in mm (LPS), or None.
        orientation: Direction cosines of rows and columns, six numbers (LPS), or None.
        number: Instance number (or None) and frame, the order where there is no position.
        origin: The source that it was read from, as of `shared.sources`, and its frame there, from 0.
    """

    pixels: NDArray[np.float32]
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    number: tuple[int | None, int]
    origin: tuple[str, int]


def order_slices(slices: Sequence[Slice]) -> tuple[list[Slice], tuple[str, ...]]:
    """Sorts slices along their normal, never by file name; drops copies.

    The normal is the cross product of row and column direction: an axial series runs from the feet up.
    Source: DICOM PS3.3, C.7.6.2.1.1.

    Returns:
        Those that are kept, in order, and what the person should know: copies, gaps, missing geometry.

    Raises:
        InputRefused: The slices stand at angles to each other, so they are not one series.
    """
    placed = [one for one in slices if one.position is not None and one.orientation is not None]
    if len(placed) < len(slices):
        ordered, notes = _by_number(slices), []
        if len(slices) > 1:
            notes.append(
                f"{len(slices) - len(placed)} of {len(slices)} slices state no position: they are in the order of "
                "their instance numbers, and slices that are missing cannot be noticed"
            )
        distances = [0.0] * len(ordered)
    else:
        normal = _normal(placed)
        pairs = [(float(np.dot(normal, one.position or ())), one) for one in _by_number(placed)]
        pairs.sort(key=lambda pair: pair[0])
        distances, ordered, notes = [pair[0] for pair in pairs], [pair[1] for pair in pairs], []
    kept = _without_copies(ordered, distances)
    if len(kept) < len(ordered):
        notes.append(f"{len(ordered) - len(kept)} slices are copies of others and were judged once")
    if len(placed) == len(slices):
        notes.extend(_spacing_notes([distances[index] for index in kept]))
    return [ordered[index] for index in kept], tuple(notes)


def _by_number(slices: Sequence[Slice]) -> list[Slice]:
    return sorted(slices, key=lambda one: (one.number[0] is None, one.number[0] or 0, one.number[1]))


def _normal(slices: Sequence[Slice]) -> NDArray[np.float64]:
    cosines = np.array([one.orientation for one in slices], dtype=np.float64)
    representatives: list[NDArray[np.float64]] = []
    for one in cosines:
        if not any(np.abs(one - other).max() < COSINE_TOLERANCE for other in representatives):
            representatives.append(one)
    if len(representatives) > 1:
        raise InputRefused(
            f"mixes slices of {len(representatives)} orientations, as localizers do; give one orientation at a time"
        )
    normal = np.cross(cosines[0, :3], cosines[0, 3:])
    length = float(np.linalg.norm(normal))
    if abs(length - 1.0) > COSINE_TOLERANCE:
        raise InputRefused("has a damaged ImageOrientationPatient: rows and columns are not at right angles")
    return np.asarray(normal / length)


def _without_copies(slices: Sequence[Slice], distances: Sequence[float]) -> list[int]:
    """Indices of the slices that are not pixel for pixel what was already seen at the same place."""
    seen: set[tuple[int, tuple[int, ...], bytes]] = set()
    kept = []
    for index, (one, distance) in enumerate(zip(slices, distances, strict=True)):
        content = hashlib.sha256(np.ascontiguousarray(one.pixels).tobytes()).digest()
        key = (round(distance / SAME_PLACE_MM), one.pixels.shape, content)
        if key not in seen:
            seen.add(key)
            kept.append(index)
    return kept


def _spacing_notes(distances: Sequence[float]) -> list[str]:
    steps = np.diff(distances)
    wide = steps[steps > SAME_PLACE_MM]
    notes = []
    if len(wide) < len(steps):
        notes.append(
            f"{len(steps) - len(wide)} slices lie where another one does (echoes, time points or weightings in one "
            "series); all were judged"
        )
    gaps = int((wide > GAP_FACTOR * np.median(wide)).sum()) if len(wide) else 0
    if gaps:
        notes.append(
            f"{gaps} {'gap' if gaps == 1 else 'gaps'} in the series (usual step {np.median(wide):.1f} mm, widest "
            f"{wide.max():.1f} mm): what lies there was not seen"
        )
    return notes
