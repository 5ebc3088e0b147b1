"""Ordering the slices of one DICOM series in space, and refusing what is not one whole stack."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from medtl.dicom.acquisition import Contrast
from medtl.dicom.geometry import ImagePlane, slice_normal
from medtl.dicom.header import shown_number
from medtl.dicom.view import view_of
from shared.errors import InputRefused
from shared.task import Origin

SAME_PLACE_MM = 0.01
"""Slices that are this close lie in one place: below any slice spacing, above the rounding of a decimal string."""
GAP_FACTOR = 1.5
"""A step this much wider than the usual one has room for a slice that is not there."""
MAX_UNSEEN = 1 / 3
"""Share of the extent of a series that may lie in gaps: with more, most findings could lie where nobody looked."""
MAX_MISSING = 0.2
"""Share of the slices that may be missing, by the count of their instance numbers."""
SAME_ECHO_MS = 0.5
"""Echo times that differ by no more are one contrast: scanners round. The closest pair in use, fat out of and in phase
with water at 3 T, is 1.1 ms apart."""


@dataclass(frozen=True)
class Slice:
    """One decoded slice of a series.

    Attributes:
        pixels: float32 [rows, columns].
        plane: Position and orientation in the patient.
        source: The file that it was read from, as `shared.io.archives` names it.
        frame: Its index among the slices of that file, from 0.
        instance_number: Instance Number of the file, or None; with `frame` the order where there is no position.
        contrast: Echo time, time point and acquisition.
        is_tile: Whether `frame` counts the tiles of a mosaic, which are no frames of the file.
    """

    pixels: NDArray[np.float32]
    plane: ImagePlane
    source: str
    frame: int
    instance_number: int | None = None
    contrast: Contrast = field(default_factory=Contrast)
    is_tile: bool = False

    @property
    def origin(self) -> Origin:
        """Where the slice was read from; frames and tiles are counted from 1, as DICOM counts frames."""
        numbers = {"tile" if self.is_tile else "frame": self.frame + 1}
        if (shown := shown_number(self.instance_number)) is not None:
            numbers["instance_number"] = shown
        return Origin(self.source, self.frame, numbers)


def order_slices(slices: Sequence[Slice]) -> tuple[list[Slice], tuple[str, ...]]:
    """Sorts the slices of one stack along their normal and drops copies.

    A model answers for a stack in which each place was imaged once. Were echoes or time points judged together, a
    series would have several times the slices that its threshold was certified for, some of a weighting that no model
    has seen: they are refused, not judged with a note.

    The order is that of `medtl.dicom.view`, however the slices are stored: an axial series runs from the feet up.
    Slices without position are sorted by instance number; file names never count.

    Args:
        slices: At least one.

    Returns:
        The slices that are kept, in order, and warnings about copies, gaps and missing positions.

    Raises:
        InputRefused: The slices are not one whole stack: they differ in size, spacing or orientation, show one place
            several times, have several echo times or time points, or too many are missing.
    """
    _check_sizes(slices)
    _check_contrasts(slices)
    _check_numbers(slices)
    view = view_of([one.plane for one in slices])
    unplaced = sum(one.plane.position_mm is None or one.plane.orientation is None for one in slices)
    if unplaced:
        return _order_by_number(slices, unplaced)
    normal = slice_normal(view.orientation or ())
    pairs = [(float(np.dot(normal, one.plane.position_mm or ())), one) for one in _by_number(slices)]
    pairs.sort(key=lambda pair: pair[0])
    kept = _without_copies([pair[1] for pair in pairs], [pair[0] for pair in pairs])
    notes = _copy_notes(len(pairs) - len(kept))
    distances, ordered = [pairs[index][0] for index in kept], [pairs[index][1] for index in kept]
    _check_places(ordered, distances)
    _check_extent(distances)
    return ordered, (*notes, *_gap_notes(distances))


def _order_by_number(slices: Sequence[Slice], unplaced: int) -> tuple[list[Slice], tuple[str, ...]]:
    ordered = _by_number(slices)
    kept = [ordered[index] for index in _without_copies(ordered, [0.0] * len(ordered))]
    notes = []
    if len(slices) > 1:
        notes.append(
            f"{unplaced} of {len(slices)} slices state no position: they are in the order of their instance numbers, "
            "and gaps between them cannot be noticed"
        )
    return kept, (*notes, *_copy_notes(len(ordered) - len(kept)))


def _check_sizes(slices: Sequence[Slice]) -> None:
    sizes = sorted({one.pixels.shape for one in slices})
    if len(sizes) > 1:
        words = " to ".join(f"{rows} x {columns}" for rows, columns in (sizes[0], sizes[-1]))
        raise InputRefused(f"mixes slices of {len(sizes)} sizes ({words} pixels); give one size at a time")


def _check_contrasts(slices: Sequence[Slice]) -> None:
    echoes = sorted({one.contrast.echo_time_ms for one in slices if one.contrast.echo_time_ms is not None})
    count = 1 + int((np.diff(echoes) > SAME_ECHO_MS).sum())
    if count > 1:
        raise InputRefused(
            f"mixes images of {count} echo times ({echoes[0]:g} to {echoes[-1]:g} ms); give one echo at a time"
        )
    points = {one.contrast.time_point for one in slices if one.contrast.time_point is not None}
    if len(points) > 1:
        raise InputRefused(f"mixes images of {len(points)} time points; give one time point at a time")


def _check_places(ordered: Sequence[Slice], distances: Sequence[float]) -> None:
    """Refuses a stack that shows a place more than once; copies were dropped before."""
    twice = int((np.diff(distances) <= SAME_PLACE_MM).sum())
    if not twice:
        return
    acquisitions = {one.contrast.acquisition for one in ordered if one.contrast.acquisition is not None}
    by = f" ({len(acquisitions)} acquisitions)" if len(acquisitions) > 1 else ""
    raise InputRefused(
        f"shows {twice} of its places more than once{by}, with different pixels, as echoes, time points or weightings "
        "do; give one of them at a time"
    )


def _check_extent(distances: Sequence[float]) -> None:
    steps, usual = _steps(distances)
    unseen = float((steps[steps > GAP_FACTOR * usual] - usual).sum())
    if unseen and unseen >= MAX_UNSEEN * steps.sum():
        raise InputRefused(
            f"has gaps of {unseen:.0f} of {steps.sum():.0f} mm between its first and last slice; give the whole series"
        )


def _check_numbers(slices: Sequence[Slice]) -> None:
    """Refuses a stack that lacks too many instance numbers.

    Their usual step need not be 1, for some scanners count all echoes or phases.
    """
    numbers = sorted({one.instance_number for one in slices if one.instance_number is not None})
    steps, usual = _steps(numbers)
    missing = int(sum(round(step / usual) - 1 for step in steps))
    if missing > MAX_MISSING * (missing + len(numbers)):
        raise InputRefused(
            f"misses {missing} of {missing + len(numbers)} slices by its instance numbers; give the whole series"
        )


def _steps(places: Sequence[float]) -> tuple[NDArray[np.float64], float]:
    """Steps between sorted places, and the usual step: the lower median, so that one of two gaps is not usual."""
    steps = np.diff(np.asarray(places, dtype=np.float64))
    return steps, float(np.sort(steps)[(len(steps) - 1) // 2]) if len(steps) else 1.0


def _copy_notes(copies: int) -> tuple[str, ...]:
    return (f"{copies} slices are copies of others and were judged once",) if copies else ()


def _by_number(slices: Sequence[Slice]) -> list[Slice]:
    return sorted(slices, key=lambda one: (one.instance_number is None, one.instance_number or 0, one.frame))


def _without_copies(slices: Sequence[Slice], distances: Sequence[float]) -> list[int]:
    """Indices of the slices that are not pixel for pixel what was already seen at the same place."""
    places = [round(distance / SAME_PLACE_MM) for distance in distances]
    shared = {place for place, count in Counter(places).items() if count > 1}
    seen: set[tuple[int, tuple[int, ...], bytes]] = set()
    kept = []
    for index, (one, place) in enumerate(zip(slices, places, strict=True)):
        content = hashlib.sha256(np.ascontiguousarray(one.pixels).tobytes()).digest() if place in shared else b""
        key = (place, one.pixels.shape, content)
        if key not in seen:
            seen.add(key)
            kept.append(index)
    return kept


def _gap_notes(distances: Sequence[float]) -> tuple[str, ...]:
    steps, usual = _steps(distances)
    gaps = int((steps > GAP_FACTOR * usual).sum())
    if not gaps:
        return ()
    return (
        f"{gaps} {'gap' if gaps == 1 else 'gaps'} in the series (usual step {usual:.1f} mm, widest "
        f"{steps.max():.1f} mm): what lies there was not seen",
    )
