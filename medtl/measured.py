"""What of the pixels of a slice was measured: a signal in grey, and around it a background.

Training and prediction read pixels through `measured`, so that both see the same head.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from medtl.dicom.colour import IN_PICTURES, check_grey
from medtl.dicom.padding import as_background
from medtl.head import head_mask
from shared.errors import InputRefused
from shared.io.pictures import Ground

Pixels = NDArray[np.float32]

GROUND: Ground = "black"
"""What transparent parts of a picture show: nothing that was measured, as air."""
LARGEST = 255.0
"""The largest value of a channel of a picture in colour, as `shared.io.pictures.read_picture` gives it."""
ENCLOSED_DEPTH = 0.02
"""Depth below the outline of the head, as a share of its width, from which a gap that values enclose lies within it:
the outline is measured on a reduced copy, whose pixels are up to 1 % of the head."""
OPEN_DEPTH = 0.3
"""The same for a gap that reaches the border of the slice: the outline bridges hollows, such as that below the chin,
and masks by a threshold leave out air and bone of the skull base. These are no deeper; a band across the head is."""
LARGE_GAP = 0.01
"""Share of the slice from which an enclosed gap is the head itself where no head is seen: gaps in air are single,
where a quotient met no noise."""
FILL_GAP = 0.01
"""Least distance of a negative fill below values that are not negative, as a share of their range."""
CORNERS = ((0, 0), (0, -1), (-1, 0), (-1, -1))


def measured(slices: Sequence[Pixels]) -> tuple[list[Pixels], tuple[str, ...]]:
    """Brings slices to what was measured: checks that they are grey, and fills their background.

    Args:
        slices: Slices of one input, float32 [rows, columns], or [rows, columns, 3] of a picture.

    Returns:
        The slices in the same shapes, finite; and a warning for each kind of fill.

    Raises:
        InputRefused: A picture is in false colours, or values within the head are no numbers.
    """
    for one in slices:
        if one.ndim == 3:
            check_grey(one, LARGEST, IN_PICTURES)
    return fill_background(slices)


def fill_background(slices: Sequence[Pixels]) -> tuple[list[Pixels], tuple[str, ...]]:
    """Makes background of what was not measured: it gets the lowest value of its slice.

    Values that are no numbers (NaN, infinite) are background outside the head, as programs such as SPM write it. One
    value in all four corners is a fill where it lies beyond the others by more than their whole range, or below zero
    where no other does: a magnitude image has no negative values.

    Args:
        slices: Slices of one input, float32 [rows, columns] or [rows, columns, 3].

    Returns:
        The slices, new where something was filled; one without any number is 0 throughout. And a warning for each kind
        of fill.

    Raises:
        InputRefused: Values within the head are no numbers.
    """
    filled, gaps, fills, holes = [], 0, 0, 0
    for one in slices:
        if not np.isfinite([one.min(), one.max()]).all():
            gaps, missing = gaps + 1, ~np.isfinite(one)
            one = as_background(one, missing)
            holes += one.ndim == 3 or bool(_within_head(one, missing).any())
        if one.ndim == 2 and (fill := _unstated_fill(one)) is not None:
            fills += 1
            one = as_background(one, one == fill)
        filled.append(one)
    total = len(slices)
    if holes:
        raise InputRefused(
            f"has pixel values within the head that are no numbers (NaN or infinite){_of(holes, total)}; write it "
            "again without a mask"
        )
    notes = []
    if gaps:
        notes.append(f"values outside the head are no numbers (NaN or infinite){_of(gaps, total)}: taken as background")
    if fills:
        notes.append(f"one value fills the corners, far from all others{_of(fills, total)}: taken as background")
    return filled, tuple(notes)


def _of(count: int, total: int) -> str:
    return "" if total == 1 else f" on {count} of {total} slices"


def _unstated_fill(pixels: Pixels) -> float | None:
    """The value that fills the corners although no value of an MR image lies so far from the others; else None."""
    fill = float(pixels[0, 0])
    if any(float(pixels[corner]) != fill for corner in CORNERS):
        return None
    if 0 <= fill < float(pixels.max()):
        return None  # neither above all others nor below zero, as of most slices: nothing more is measured
    others = pixels != fill
    if not others.any():
        return None
    low, high = float(pixels.min(where=others, initial=np.inf)), float(pixels.max(where=others, initial=-np.inf))
    above = fill > high + (high - low)
    below = low >= 0 and fill < -FILL_GAP * (high - low)
    return fill if above or below else None


def _within_head(filled: Pixels, missing: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Marks gaps deep below the outline of the head (less deep where values enclose them), or in place of a head."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(missing.astype(np.uint8), connectivity=4)
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    enclosed = ~np.isin(np.arange(count), border)
    large = enclosed & (stats[:, cv2.CC_STAT_AREA] > LARGE_GAP * missing.size)
    outline = _outline(head_mask(filled))
    depth = cv2.distanceTransform(np.pad(outline, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    width = 2.0 * float(depth.max())
    least = np.where(enclosed, ENCLOSED_DEPTH, OPEN_DEPTH)[labels] * width
    within = depth > least if outline.any() else large[labels]
    return np.asarray(missing & within)


def _outline(head: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The convex hull of the head, true inside."""
    hull = np.zeros(head.shape, np.uint8)
    points = np.argwhere(head)[:, ::-1].astype(np.int32)
    if len(points):
        cv2.fillConvexPoly(hull, cv2.convexHull(points), 1)
    return hull.astype(bool)
