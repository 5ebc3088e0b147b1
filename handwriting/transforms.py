"""Preprocesses raw pixels into the network's input.

It uses only NumPy, OpenCV and Pillow, with the same code in training and prediction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from handwriting.light import evenly_lit
from handwriting.settings import Settings
from shared.errors import ConfigError, DataError
from shared.io.archives import naming
from shared.io.grey import between_class_variance, check_pixels, to_grey
from shared.samples import Sample
from shared.task import Image, Preprocessing

Pixels = NDArray[np.float32]

LEVELS = 256
"""Bins of the histogram from which Otsu's threshold is computed; scans have 8 bits."""
FULL_INK = 0.75
"""Quantile of the ink's intensities that becomes 1: the core of a stroke, not a speck of glare on it."""
SPECK = 0.004
"""A spot smaller than this share of all ink is dirt; the dots that belong to letters are ten times larger."""
PHOTOGRAPH_SIDE = 48
"""Pixels of the shorter side from which a picture is taken for a photograph or a drawing on a canvas."""
OVERVIEW = 256
"""Longest side, in pixels, to which photographs are reduced: noise is averaged, and a character keeps far more pixels
than the network sees."""
RIM_ROUNDS = 3
"""Fits of the light to the border of a photograph, each without the pixels that were far from the one before."""
LIGHT_WINDOW = 3
"""Windows along the shorter side of a photograph in which the level of the paper is found."""
SMOOTHING = 0.9
"""Standard deviation in pixels of the blur of photographs before their light is removed."""
FAINT = 0.3
"""Share of the full darkness below which marks of a photograph are paper: grain, shadows, faint ruling."""


def preprocess(pixels: Pixels, spec: Preprocessing) -> Image:
    """Preprocesses raw pixels into the network's input: light ink on black, the box of the ink scaled into the frame.

    Args:
        pixels: Finite, [rows, columns] or [rows, columns, 3], in any unit, ink lighter or darker than the paper.
        spec: Side of the result and options.

    Returns:
        float32 [1, size, size], 0 (paper) to 1 (ink); the box keeps its proportions and lies in the middle.

    Raises:
        DataError: `pixels` has another shape, is blank, or has values that are not finite.
        ConfigError: `spec` asks for more than one channel, or has an option that does not exist.
    """
    if spec.channels != 1:
        raise ConfigError(
            f"the preprocessing has {spec.channels} channels; characters have 1, which a network with 3 input channels "
            "repeats"
        )
    settings = Settings.of(spec.options)
    return read_ink(_grey(pixels), spec.size, settings)[np.newaxis]


def read_ink(grey: Pixels, size: int, settings: Settings) -> Pixels:
    """Finds the ink of a picture that is not blank, and scales its box into the frame.

    Args:
        grey: float32 [rows, columns], in any unit, ink lighter or darker than the paper.
        size: Side of the result.
        settings: Options of the preprocessing.

    Returns:
        float32 [size, size], 0 (paper) to 1 (ink).

    Raises:
        DataError: It is a photograph of bare paper.
    """
    if settings.photographs and min(grey.shape) >= PHOTOGRAPH_SIDE:
        grey = _photographed(grey)
    ink, mask = _ink(grey)
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    box = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return _framed(box, size, settings.margin)


def _grey(pixels: Pixels) -> Pixels:
    check_pixels(pixels)
    grey = to_grey(pixels)
    if grey.min() == grey.max():
        raise DataError("the image is blank: all pixels have the same value")
    return grey


def _photographed(grey: Pixels) -> Pixels:
    """Turns a photograph into ink on paper without light, shadow and faint ruling; float32, 0 (paper) to 1 (ink)."""
    scale = OVERVIEW / max(grey.shape)
    if scale < 1:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    low, high = float(grey.min()), float(grey.max())
    levels = np.rint((grey - low) * (255 / (high - low))).astype(np.uint8)
    smooth = cv2.GaussianBlur(levels, (0, 0), SMOOTHING)
    even = evenly_lit(smooth, min(grey.shape) // LIGHT_WINDOW | 1, light_ink=_is_light_ink(smooth))
    darkness = (255 - even).astype(np.float32) / 255
    dark = darkness[darkness > _otsu(darkness)]
    if not dark.size:
        raise DataError("the image has no ink: nothing in it is much darker or lighter than what is around")
    full = float(np.quantile(dark, FULL_INK))
    return np.clip((darkness / full - FAINT) / (1 - FAINT), 0.0, 1.0)


def _is_light_ink(levels: NDArray[np.uint8]) -> bool:
    """Says whether ink is lighter than paper, whose level is that of the border, curved over the middle."""
    y, x = (np.linspace(-1, 1, side) for side in levels.shape)
    terms = np.stack(np.broadcast_arrays(1.0, x, y[:, np.newaxis], x * y[:, np.newaxis], x**2, y[:, np.newaxis] ** 2))
    border = np.stack([_rim(term) for term in terms], axis=1)
    values = _rim(levels).astype(np.float64)
    paper = np.ones(len(values), dtype=np.bool_)
    for _ in range(RIM_ROUNDS):
        chosen = border[paper]
        # the normal equations take a tenth of the time of lstsq; a little of the unit matrix keeps them regular
        surface = np.linalg.solve(chosen.T @ chosen + 1e-6 * np.eye(len(terms)), chosen.T @ values[paper])
        apart = np.abs(values - border @ surface)
        paper = apart <= max(1.0, 2 * float(np.median(apart)))
    beyond = levels - np.tensordot(surface, terms, axes=1)
    return bool((beyond * beyond * beyond).sum() > 0)  # by cubes: ink differs most


def _rim(pixels: NDArray[Any]) -> NDArray[Any]:
    """The pixels of the border."""
    return np.concatenate([pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1]])


def _ink(grey: Pixels) -> tuple[Pixels, NDArray[np.bool_]]:
    """Scales ink to 0 to 1 for either polarity, and finds its pixels by Otsu's threshold, without specks."""
    low, high = float(grey.min()), float(grey.max())
    scaled = (grey.astype(np.float64) - low) / (high - low)
    threshold = _otsu(scaled)
    # most of the border is paper, even where a tight crop lets the headline run along it
    if np.mean(_rim(scaled) > threshold) > 0.5:
        scaled, threshold = 1.0 - scaled, 1.0 - threshold
    mask = _without_specks(scaled > threshold)
    paper, full = float(np.median(scaled[scaled <= threshold])), float(np.quantile(scaled[mask], FULL_INK))
    ink = np.clip((scaled - paper) / (full - paper), 0.0, 1.0).astype(np.float32)
    return ink, mask


def _otsu(scaled: NDArray[np.floating]) -> float:
    """Computes Otsu's threshold of values from 0 to 1."""
    counts = np.bincount(np.minimum(scaled * LEVELS, LEVELS - 1).astype(np.int64).ravel(), minlength=LEVELS)
    between = between_class_variance(counts)
    # between two clean levels all thresholds are equally good: the middle one keeps the soft edge of a stroke
    best = np.flatnonzero(between >= between.max() * (1 - 1e-9))
    return float(best.mean() + 1) / LEVELS


def _without_specks(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    spots, facts = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)[1:3]
    sizes = facts[:, cv2.CC_STAT_AREA]
    sizes[0] = 0  # the background
    return np.asarray((sizes >= SPECK * sizes.sum())[spots])


def _framed(box: Pixels, size: int, margin: float) -> Pixels:
    inner = max(1, round(size * (1 - 2 * margin)))
    scale = inner / max(box.shape)
    height, width = (min(inner, max(1, round(side * scale))) for side in box.shape)
    picture = PillowImage.fromarray(np.ascontiguousarray(box))
    # Pillow widens the support when it reduces, so nothing aliases.
    small = picture.resize((width, height), PillowImage.Resampling.BILINEAR)
    frame = np.zeros((size, size), dtype=np.float32)
    top, left = (size - height) // 2, (size - width) // 2
    frame[top : top + height, left : left + width] = np.clip(np.asarray(small), 0.0, 1.0)
    return frame


def images(
    samples: Sequence[Sample],
    spec: Preprocessing,
    content_hash: str,
    read: Callable[[Sample], Pixels],
    progress: Callable[[int, int], None] = lambda *_: None,
) -> Sequence[Image]:
    """Reads and preprocesses all samples once for all runs, and keeps them on disk: 1 KiB for 32 x 32 pixels.

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
    from shared.data.code_hash import code_hash
    from shared.data.pixel_store import PixelStore

    def make(sample: Sample) -> Image:
        pixels = read(sample)
        with naming(sample.source):
            return preprocess(pixels, spec)

    store = PixelStore(code_hash(__name__), spec, content_hash, "uint8")
    return store.images(samples, make, progress)
