"""How much head a slice shows: the ends of a series show too little of it for a judgement.

Vertex, ears and noise are answered by a network as readily as a brain. What tells them is the area of the head as the
brain crop measures it. Face and neck cannot be told so: their area is that of a brain, and they are judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from medtl.head import ReducedCopy, background_threshold, filled, head_parts

LEAST_OF_SERIES = 0.25
"""Area of the head below which a slice is not judged, as a share of that in the reference slice of its series. Slices
with a tumour have 0.41 or more in lgg_du, 0.52 or more in gbm_dicom; both were seen when it was set
(docs/lab-log.md, "Slices with little head")."""
LEAST_OF_PICTURE = 0.05
"""The same as a share of the picture, where no slice of the input shows more. Slices with a tumour have 0.15 or more in
lgg_du, 0.12 or more in Cheng, Sartaj and Navoneel, whose tumour-free heads have 0.06 or more."""
LEAST_LEVEL = 0.1
"""Least level of a head as a share of that in the reference slice: 61 slices of noise of elderly have up to 0.07,
slices with a tumour of lgg_du and gbm_dicom 0.39 or more."""
FIELD = 0.85
"""Share of the picture from which a bright region may be a field of noise around a head, and not the head."""
FIELD_DEPTH = 14
"""Pixels of the reduced copy below the border of a field in which it must be even."""
FIELD_SPREAD = 0.4
"""Largest spread of blocks there (10th to 90th percentile over the median). 102 fields of lgg_du have up to 0.37, eight
more 0.4 to 1.0; the five heads of other collections that fill the picture have 0.74 or more."""
BLOCK = 4
"""Side of these blocks in pixels: the mean of 16 pixels has a quarter of their noise."""
MIN_BLOCKS = 12
"""Blocks from which a spread is taken."""


@dataclass(frozen=True)
class HeadSize:
    """The head on a slice.

    Attributes:
        area: Share of the picture that lies within the outline of the head, 0 to 1.
        level: Value above which a pixel is head, over the lowest value, in the unit of the slice; not negative.
        signal: Sum over the head of the values over the lowest one, as a mean over the picture.
    """

    area: float
    level: float
    signal: float


NO_HEAD = HeadSize(0.0, 0.0, 0.0)


def measure_head(copy: ReducedCopy, least_level: float = 0.0) -> HeadSize:
    """Measures the head on a slice: the filled outline of what the brain crop keeps.

    Where a field of noise was scaled up with a small head in it, the head is what stands out of the field.

    Args:
        copy: The reduced copy of the slice.
        least_level: Level over the lowest value that a pixel of the head must have, in the unit of the slice.
    """
    if copy.threshold is None:
        return NO_HEAD
    pixels, low = copy.pixels, float(copy.ordered[0])
    threshold = max(copy.threshold, low + least_level)
    head = copy.outline if threshold == copy.threshold else filled(head_parts(pixels > threshold))
    floor = _floor(pixels, head) if _share(head) >= FIELD else None
    if floor is not None:
        pixels = np.maximum(pixels, np.float32(floor))
        raised = background_threshold(np.sort(pixels, axis=None))
        if raised is None:
            return NO_HEAD
        head = filled(head_parts(pixels > max(raised, threshold)))
    return HeadSize(_share(head), threshold - low, float(((copy.pixels - low) * head).mean()))


@dataclass(frozen=True)
class Compared:
    """The heads on the slices of one input, compared.

    Attributes:
        reference: Area of the head on the slice of the strongest signal, as a share of its picture.
        shares: Area on each slice, as a share of that of the reference, which itself has about 1.
    """

    reference: float
    shares: tuple[float, ...]

    def little(self) -> list[bool]:
        """Says of each slice whether it shows too little head to be judged.

        The reference is judged, unless none is. So leaving the others out changes nothing for those that are left.
        """
        return [self.reference < LEAST_OF_PICTURE or share < LEAST_OF_SERIES for share in self.shares]


def compare_heads(copies: Sequence[ReducedCopy]) -> Compared:
    """Compares the heads on the slices of one input with that of the slice of the strongest signal.

    Args:
        copies: Reduced copies of at least one slice, without blank ones and noise, in one unit.
    """
    sizes = [measure_head(copy) for copy in copies]
    level = LEAST_LEVEL * _reference(sizes).level
    return compare_sizes(
        [
            size if size.level >= level else replace(size, area=measure_head(copy, level).area)
            for size, copy in zip(sizes, copies, strict=True)
        ]
    )


def compare_sizes(sizes: Sequence[HeadSize]) -> Compared:
    """Compares the sizes of the heads on at least one slice of an input."""
    reference = _reference(sizes).area
    return Compared(reference, tuple(size.area / reference if reference else 0.0 for size in sizes))


def _reference(sizes: Sequence[HeadSize]) -> HeadSize:
    return max(sizes, key=lambda size: size.signal)


def _share(region: NDArray[np.bool_]) -> float:
    """The share of a picture that a region takes, 0 to 1."""
    return np.count_nonzero(region) / region.size


def _floor(pixels: NDArray[np.float32], head: NDArray[np.bool_]) -> float | None:
    """The level of a field of noise that was taken for the head; None where it is a head."""
    depth = cv2.distanceTransform(np.pad(head, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    rim = _blocks((depth > 1.5) & (depth <= FIELD_DEPTH)) > 0.99
    if rim.sum() < MIN_BLOCKS:
        return None
    low = float(pixels.min())
    lower, middle, upper = np.percentile(_blocks(pixels)[rim] - low, [10, 50, 90])
    return low + float(middle) if upper - lower < FIELD_SPREAD * middle else None


def _blocks(values: NDArray[np.float32] | NDArray[np.bool_]) -> NDArray[np.float64]:
    """The means of square blocks, without the rest at the right and at the bottom."""
    rows, columns = (side // BLOCK for side in values.shape)
    whole = values[: rows * BLOCK, : columns * BLOCK].astype(np.float64)
    return np.asarray(whole.reshape(rows, BLOCK, columns, BLOCK).mean(axis=(1, 3)))
