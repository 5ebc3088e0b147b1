"""Which part of a slice is head and which is background, measured in a reduced copy."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from shared.io.grey import between_class_variance, check_pixels, percentile, to_grey

Pixels = NDArray[np.float32]

ANALYSIS_SIDE = 128
"""Most pixels on the longer side of the reduced copy in which head and intensities are measured."""
OTSU_FRACTION = 0.5
"""Otsu's threshold parts bright tissue from the rest; half of it keeps dark tissue with the head."""
PART_OF_HEAD = 0.1
"""Smallest bright component that belongs to the head (brain within a dark skull), as a share of the largest one."""
OUTSIDE = 2
"""Marks the pixels around a region whose own are 1, and those of its holes 0."""
LEVELS = 64
"""Bins of the histogram from which Otsu's threshold is taken."""


@dataclass(frozen=True)
class ReducedCopy:
    """The reduced copy of an image, and which of its pixels are head rather than background, measured when asked for.

    Attributes:
        pixels: float32 [rows, columns] of the copy.
        factor: Pixels of the image on a side of one pixel of the copy.
    """

    pixels: Pixels
    factor: int

    @cached_property
    def ordered(self) -> Pixels:
        """The pixels, float32 [n], ascending."""
        return np.sort(self.pixels, axis=None)

    @cached_property
    def threshold(self) -> float | None:
        """Level above which a pixel of the copy is not background; None for a constant image."""
        return background_threshold(self.ordered)

    @cached_property
    def head(self) -> NDArray[np.bool_]:
        """Bool [rows, columns], true where a pixel is brighter than the background."""
        return np.zeros(self.pixels.shape, dtype=bool) if self.threshold is None else self.pixels > self.threshold

    @property
    def ordered_head(self) -> Pixels:
        """The pixels of `head`, float32 [n], ascending."""
        if self.threshold is None:
            return self.ordered[:0]
        return self.ordered[np.searchsorted(self.ordered, np.float32(self.threshold), "right") :]

    @cached_property
    def parts(self) -> NDArray[np.bool_]:
        """Bool [rows, columns], `head` without lettering and other small parts."""
        return head_parts(self.head)

    @cached_property
    def outline(self) -> NDArray[np.bool_]:
        """Bool [rows, columns], `parts` with all that they enclose."""
        return filled(self.parts)


def head_mask(pixels: Pixels) -> NDArray[np.bool_]:
    """Finds the bright region of an image, by which `medtl.transforms.preprocess` cuts out the head.

    Args:
        pixels: Finite, [rows, columns] or [rows, columns, 3], in any unit.

    Returns:
        bool [rows, columns], true in the head, in steps of up to 1 / `ANALYSIS_SIDE` of the image; all false where
        nothing is brighter than the rest.

    Raises:
        DataError: `pixels` has another shape, no pixel, or values that are not finite.
    """
    check_pixels(pixels)
    grey = to_grey(pixels)
    copy = reduced_copy(grey)
    whole = copy.parts.repeat(copy.factor, axis=0).repeat(copy.factor, axis=1)
    return np.asarray(whole[: grey.shape[0], : grey.shape[1]])


def reduced_copy(grey: Pixels) -> ReducedCopy:
    """Measures which pixels of an image are head.

    Args:
        grey: float32 [rows, columns], finite. One that cannot be written to is measured once.

    Returns:
        The reduced copy with the head in it; without any head where the image is constant.
    """
    known = _copies.get(id(grey))
    if known is not None and known[0]() is grey:
        return known[1]
    factor = max(1, -(-max(grey.shape) // ANALYSIS_SIDE))
    if factor == 1:
        return ReducedCopy(grey, 1)
    copy = ReducedCopy(np.asarray(PillowImage.fromarray(grey).reduce(factor)), factor)
    if not grey.flags.writeable:
        place = id(grey)
        _copies[place] = weakref.ref(grey, lambda _: _copies.pop(place, None)), copy
    return copy


_copies: dict[int, tuple[weakref.ref[Pixels], ReducedCopy]] = {}
"""Copies of images that cannot be written to, as long as these are in use: checks and preprocessing share them."""


def head_parts(head: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Removes lettering and other small parts from a bright region.

    Args:
        head: bool [rows, columns], true where a pixel is bright.

    Returns:
        bool of the same shape; all false where nothing is large.
    """
    # Opening cuts the thin bridges to lettering and scanner marks; a tiny image would vanish in it.
    square = np.ones((3, 3), dtype=np.uint8)
    opened = cv2.morphologyEx(
        head.view(np.uint8), cv2.MORPH_OPEN, square, borderType=cv2.BORDER_CONSTANT, borderValue=0
    )
    # its statistics would take twice its own time
    count, labels = cv2.connectedComponents(opened, connectivity=4, ltype=cv2.CV_16U)
    if count <= 2:  # the background, and no more than one part
        return opened.view(np.bool_)
    sizes = np.bincount(labels.ravel(), minlength=count)
    sizes[0] = 0  # the background
    return np.asarray(sizes >= PART_OF_HEAD * sizes.max()).take(labels)


def filled(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fills the holes of a region: what it encloses belongs to it.

    Args:
        region: bool [rows, columns].

    Returns:
        bool of the same shape.
    """
    padded = cv2.copyMakeBorder(region.view(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    cv2.floodFill(padded, None, (0, 0), OUTSIDE, flags=4)
    return np.asarray(padded != OUTSIDE)[1:-1, 1:-1]


def background_threshold(ordered: Pixels) -> float | None:
    """Finds the level above which a pixel is not background, by Otsu's criterion.

    The brightest 1 % (fat, vessels, text) are clipped first, because they draw the threshold up.

    Args:
        ordered: float32 [n], the pixels, ascending, finite, in any unit.

    Returns:
        The level in the unit of the pixels; None for a constant image.
    """
    low, highest = float(ordered[0]), float(ordered[-1])
    high = percentile(ordered, 99) or highest
    if high <= low:
        high = highest
    if high <= low:
        return None
    levels = np.subtract(np.minimum(ordered, high), low, dtype=np.float64)
    levels *= (LEVELS - 1) / (high - low)
    # Bin k holds the values below (k + 1) / (LEVELS - 1) of the range; they ascend.
    ends = np.searchsorted(levels, np.arange(1.0, LEVELS + 1))
    between = between_class_variance(np.diff(ends, prepend=0))
    return low + OTSU_FRACTION * (float(between.argmax()) + 1) * (high - low) / (LEVELS - 1)
