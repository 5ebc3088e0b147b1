"""Preprocessing of raw pixels into the network's input, the same code in training and prediction.

It is NumPy, OpenCV and Pillow only. What keeps the images of a training is imported when it is first used.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from medtl.head import ReducedCopy, reduced_copy
from medtl.settings import Settings
from shared.errors import ConfigError, DataError
from shared.io.archives import naming
from shared.io.grey import check_pixels, percentile, to_grey
from shared.samples import Sample
from shared.task import Image, Preprocessing

Pixels = NDArray[np.float32]

logger = logging.getLogger(__name__)

MIN_CROP_FRACTION = 0.4
"""Smallest side of a crop as a share of the image: else the vertex of the head would be blown up to a whole brain."""


@dataclass(frozen=True)
class Box:
    """A square region of an image, in pixels; it may reach beyond the image.

    Attributes:
        top: First row.
        left: First column.
        side: Number of rows and of columns.
    """

    top: int
    left: int
    side: int


def preprocess(pixels: Pixels, spec: Preprocessing) -> Image:
    """Makes the network's input from raw pixels: grey, head cut out and made square, intensities scaled, resized.

    Args:
        pixels: Finite, [rows, columns] or [rows, columns, 3], in any unit.
        spec: Side of the result, and the options of `medtl.settings.Settings`.

    Returns:
        float32 [1, size, size], 0 (background) to 1.

    Raises:
        DataError: `pixels` has another shape, no pixel, or values that are not finite.
        ConfigError: `spec` asks for more than one channel, or has an option that does not exist.
    """
    if spec.channels != 1:
        raise ConfigError(
            f"the preprocessing has {spec.channels} channels; MR slices have 1, which a network with 3 input channels "
            "repeats"
        )
    settings = Settings.of(spec.options)
    grey = _grey(pixels)
    copy = reduced_copy(grey)
    low, high = _range(copy, settings)
    square = np.clip(_extract(grey, _box(copy, grey.shape, settings), fill=low), low, high)
    resized = _resize(square, spec.size)
    if high <= low:
        return np.zeros((1, *resized.shape), np.float32)
    scaled = np.subtract(resized, low, dtype=np.float64)
    scaled /= high - low
    return np.clip(scaled, 0.0, 1.0, out=scaled).astype(np.float32)[np.newaxis]


def crop_box(pixels: Pixels, spec: Preprocessing) -> Box:
    """Finds the square region of an image that `preprocess` keeps, so that masks and attributions can follow it.

    Args:
        pixels: Finite, [rows, columns] or [rows, columns, 3], in any unit.
        spec: What the image is preprocessed with.

    Returns:
        The square, in pixels of the raw image; around the whole image where no head is found or none is cut out.

    Raises:
        DataError: `pixels` has another shape, no pixel, or values that are not finite.
        ConfigError: `spec` has an option that does not exist.
    """
    grey = _grey(pixels)
    return _box(reduced_copy(grey), grey.shape, Settings.of(spec.options))


def preprocess_mask(mask: NDArray[np.bool_], pixels: Pixels, spec: Preprocessing) -> NDArray[np.bool_]:
    """Brings the mask of an image onto the grid of the preprocessed image.

    Args:
        mask: bool [rows, columns].
        pixels: The raw image, [rows, columns] or [rows, columns, 3].
        spec: What the image is preprocessed with.

    Returns:
        bool [size, size]; a pixel is set where the mask covers at least half of it.

    Raises:
        DataError: Mask and image differ in shape, or the image is damaged.
    """
    if mask.shape != pixels.shape[:2]:
        raise DataError(
            f"the mask is {mask.shape[0]} x {mask.shape[1]}, its image {pixels.shape[0]} x "
            f"{pixels.shape[1]}; give a mask on the grid of the image"
        )
    square = _extract(mask.astype(np.float32), crop_box(pixels, spec), fill=0.0)
    return np.asarray(_resize(square, spec.size) >= 0.5)


def restore(grid: Pixels, pixels: Pixels, spec: Preprocessing) -> Pixels:
    """Brings a map on the grid of the preprocessed image back onto the grid of the raw image.

    Args:
        grid: float32 [size, size], such as an attribution; values stay as they are, only interpolated.
        pixels: The raw image, [rows, columns] or [rows, columns, 3].
        spec: What `pixels` was preprocessed with.

    Returns:
        float32 [rows, columns], zero outside of the crop, which the network never saw.

    Raises:
        DataError: `grid` has another shape, or the image is damaged.
        ConfigError: `spec` has an option that does not exist.
    """
    if grid.shape != (spec.size, spec.size):
        raise DataError(f"the map has shape {grid.shape}; the preprocessed image has {(spec.size, spec.size)}")
    box = crop_box(pixels, spec)
    square = _resize(grid.astype(np.float32), box.side)
    rows, columns = pixels.shape[:2]
    top, left = max(box.top, 0), max(box.left, 0)
    bottom, right = min(box.top + box.side, rows), min(box.left + box.side, columns)
    restored = np.zeros((rows, columns), dtype=np.float32)
    restored[top:bottom, left:right] = square[top - box.top : bottom - box.top, left - box.left : right - box.left]
    return restored


def _grey(pixels: Pixels) -> Pixels:
    check_pixels(pixels)
    return to_grey(pixels)


def _range(copy: ReducedCopy, settings: Settings) -> tuple[float, float]:
    """The intensities that become 0 and 1 in the preprocessed image."""
    inside = copy.ordered_head if len(copy.ordered_head) else copy.ordered
    low = percentile(copy.ordered, settings.lower_percentile)
    high = percentile(inside, settings.upper_percentile)
    return float(np.float32(low)), float(np.float32(high))


def _box(copy: ReducedCopy, shape: tuple[int, ...], settings: Settings) -> Box:
    rows, columns = shape
    found = _head_bounds(copy.parts) if settings.crop else None
    if found is None:
        top, bottom, left, right = 0, rows, 0, columns
        side = max(rows, columns)
    else:
        top, bottom, left, right = (bound * copy.factor for bound in found)
        bottom, right = min(bottom, rows), min(right, columns)
        wanted = max(bottom - top, right - left) * (1 + 2 * settings.margin)
        side = round(min(max(wanted, MIN_CROP_FRACTION * max(rows, columns)), max(rows, columns)))
        side = max(side, bottom - top, right - left)
    return Box((top + bottom - side) // 2, (left + right - side) // 2, side)


def _head_bounds(parts: NDArray[np.bool_]) -> tuple[int, int, int, int] | None:
    """Top, bottom, left, right of the bright region, or None where there is none."""
    rows, columns = (np.flatnonzero(parts.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return None
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _extract(image: Pixels, box: Box, fill: float) -> Pixels:
    """The square `box` of `image`, with `fill` where it reaches beyond."""
    rows, columns = image.shape
    top, left = max(box.top, 0), max(box.left, 0)
    bottom, right = min(box.top + box.side, rows), min(box.left + box.side, columns)
    if (bottom - top, right - left) == (box.side, box.side):
        return image[top:bottom, left:right]
    square = np.full((box.side, box.side), fill, dtype=np.float32)
    square[top - box.top : bottom - box.top, left - box.left : right - box.left] = image[top:bottom, left:right]
    return square


def _resize(square: Pixels, size: int) -> Pixels:
    """Linear interpolation whose support widens when it reduces, so that nothing aliases (Pillow's resampling)."""
    image = PillowImage.fromarray(np.ascontiguousarray(square))
    return np.asarray(image.resize((size, size), PillowImage.Resampling.BILINEAR), dtype=np.float32)


def images(
    samples: Sequence[Sample],
    spec: Preprocessing,
    content_hash: str,
    read: Callable[[Sample], Pixels],
    progress: Callable[[int, int], None] = lambda *_: None,
) -> Sequence[Image]:
    """Reads and preprocesses all samples once for all runs, and keeps them on disk as float16.

    Prediction judges what it preprocesses itself, in float32. What is stored differs from that by 0.00025 at most; in
    600 slices that moved the probability of `brain-mri` by 0.006 at most and 0.0002 on average, and changed no
    decision. Bytes, half the size, would move it by 0.05, for pictures of 8 bits too, as they are resized and scaled:
    so all images are stored alike. Source: docs/lab-log.md, "Types of stored pixels".

    Slices that prediction leaves out for little head are read as any other, for training learns from them; a warning
    counts those that are labelled as tumours.

    Args:
        samples: The samples, in the order of the result.
        spec: What the images are preprocessed with.
        content_hash: Hash of the bytes of the dataset.
        read: Reads the raw pixels of one sample.
        progress: Called with (images done, images in all).

    Returns:
        One image for each sample, float32 [1, size, size], 0 to 1, read from disk when it is asked for.

    Raises:
        DataError: Files are damaged; the message counts them and says of the first five what is wrong.
    """
    from medtl.labelled_heads import LabelledHeads
    from shared.data.code_hash import code_hash
    from shared.data.pixel_store import PixelStore

    heads = LabelledHeads(samples, content_hash)

    def make(sample: Sample) -> Image:
        pixels = read(sample)
        with naming(sample.source):
            image = preprocess(pixels, spec)
        heads.add(sample, pixels)
        return image

    store = PixelStore(code_hash(__name__), spec, content_hash, "float16")
    found = store.images(samples, make, progress)
    if note := heads.note(read):
        logger.warning("%s.", note)
    return found
