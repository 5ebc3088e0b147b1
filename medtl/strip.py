"""Skull stripping as augmentation: a slice as collections show it that keep the brain and remove skull and scalp.

A rim of the head is removed, of a width that is drawn anew each time. What remains is no segmentation of the brain; it
teaches that a head may come without skull, and with or without the outermost brain.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from medtl.random_transform import RandomTransform
from medtl.settings import Settings
from shared.io.grey import percentile
from shared.task import Image

Pixels = NDArray[np.float32]

PROBABILITY = 0.25
"""Share of training images that are stripped."""
RIM = (0.06, 0.12)
"""Smallest and largest width of the rim, as shares of the square root of the head's area.

Where no mask is known, a finding near the skull can be cut. At 0.12 at most 1.6% of the tumours of three marked
collections lose more than 40% of their area, at 0.15 up to 6% (`benchmarks/strip_tumours.py`).
"""
AIR = 0.12
"""Brightness up to which a pixel of a preprocessed slice can be background. Darker parts of the head (skull, fluid) are
closed over."""
CLOSING = 0.16
"""Side of the square that closes gaps in the head, as a share of the image's side: wider than a dark skull or sinus."""
MIN_HEAD = 0.15
"""Share of the image that a head must fill: a smaller one is the vertex, of which a rim would leave nothing."""
MIN_FINDING = 0.6
"""Share of a finding with a mask that must remain; else the slice stays whole."""
MIN_KEPT = 0.4
"""Share of the head's area that must remain; else the slice stays whole."""


class RandStripSkull(RandomTransform):
    """Transform that removes the rim of the head at random.

    Args:
        prob: Probability that an image is stripped, 0 to 1.
        rim: Smallest and largest width of the rim, as shares of the square root of the head's area.
    """

    def __init__(self, prob: float = PROBABILITY, rim: tuple[float, float] = RIM) -> None:
        super().__init__()
        self.prob, self.rim = prob, rim

    def __call__(self, image: Any) -> Any:
        """Strips an image, or returns it as it is; shape and range stay.

        Args:
            image: float32 [1, size, size], 0 to 1; or [2, size, size], the second channel a mask of 0 and 1.
        """
        rim = self.draw()
        return image if rim is None else stripped(np.asarray(image, dtype=np.float32), rim)

    def draw(self) -> float | None:
        """Draws the width of the rim of the next image; None: it is not stripped."""
        return None if self.random.random_sample() >= self.prob else float(self.random.uniform(*self.rim))


def stripped(image: Image, rim: float) -> Image:
    """Removes the rim of the head, or returns the image as it is where too little of head or finding would stay.

    Args:
        image: float32 [1, size, size], 0 to 1; or [2, size, size], the second channel a mask of 0 and 1.
        rim: Width of the rim, as a share of the square root of the head's area.
    """
    pixels, *masks = image
    kept = without_rim(pixels, rim)
    if kept is None or any(mask[kept].sum() < MIN_FINDING * mask.sum() for mask in masks):
        return image
    return np.stack([_shown(pixels, kept), *(_cut_out(np.where(kept, mask, 0.0), kept) for mask in masks)])


def without_rim(pixels: Pixels, rim: float) -> NDArray[np.bool_] | None:
    """Finds the part of a head that lies deeper than its rim.

    Args:
        pixels: A preprocessed slice, float32 [size, size], 0 to 1.
        rim: Width of the rim, as a share of the square root of the head's area.

    Returns:
        bool [size, size], true in the part; None where the slice shows too little head for a rim to be removed.
    """
    head = _head(pixels)
    area = cv2.countNonZero(head)
    if area < MIN_HEAD * head.size:
        return None
    framed = _framed(head, 1)  # the image's edge is an edge of the head too
    depth = cv2.distanceTransform(framed, cv2.DIST_L2, 5)[1:-1, 1:-1]
    kept = np.asarray(depth > rim * np.sqrt(area))
    return kept if np.count_nonzero(kept) >= MIN_KEPT * area else None


def _head(pixels: Pixels) -> NDArray[np.uint8]:
    """The largest part that is brighter than air, without gaps; uint8, 1 in the head."""
    side = max(1, round(CLOSING * pixels.shape[0])) | 1
    # framed by air: closing would else join the head to an edge of the image that is near
    bright = _framed((pixels > AIR).astype(np.uint8), side)
    closed = cv2.morphologyEx(bright, cv2.MORPH_CLOSE, np.ones((side, side), np.uint8))[side:-side, side:-side]
    closed = np.ascontiguousarray(closed)
    # its statistics would take six times its own time
    count, parts = cv2.connectedComponents(closed, ltype=cv2.CV_16U)
    if count <= 2:  # air, and no more than one part
        return np.asarray(closed)
    return (parts == 1 + np.bincount(parts.ravel())[1:].argmax()).astype(np.uint8)


def _framed(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """An image with a frame of zeros."""
    return np.asarray(cv2.copyMakeBorder(image, side, side, side, side, cv2.BORDER_CONSTANT, value=0), dtype=np.uint8)


def _shown(pixels: Pixels, kept: NDArray[np.bool_]) -> Pixels:
    """What is kept, cut out and scaled in brightness as `medtl.transforms.preprocess` would do with it alone."""
    inside = np.where(kept, pixels, np.float32(0.0))
    brightest = percentile(np.sort(pixels[kept], axis=None), Settings.upper_percentile)
    if brightest > 0.0:
        inside = np.clip(inside / np.float32(brightest), 0.0, 1.0)
    return _cut_out(inside, kept)


def _cut_out(inside: Pixels, kept: NDArray[np.bool_]) -> Pixels:
    """An image around the box of what is kept, enlarged to the size that it had."""
    left, top, width, height = cv2.boundingRect(kept.view(np.uint8))
    size = inside.shape[0]
    zoom = size / (max(width, height) * (1 + 2 * Settings.margin))
    # pixel centres lie at whole numbers
    shifts = [(size - 1) / 2 - zoom * (first + (sides - 1) / 2) for first, sides in ((left, width), (top, height))]
    matrix = np.array([[zoom, 0.0, shifts[0]], [0.0, zoom, shifts[1]]])
    return np.asarray(cv2.warpAffine(inside.astype(np.float32), matrix, (size, size)), dtype=np.float32)
