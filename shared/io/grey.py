"""Turns raw pixels grey and measures their histogram: pure functions that both applications' preprocessing shares."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.errors import DataError

Pixels = NDArray[np.float32]

LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""Weights of red, green and blue. Source: ITU-R BT.601-7, section 2.5.1."""


def check_pixels(pixels: Pixels, what: str = "image") -> None:
    """Checks shape and values of an image.

    Args:
        pixels: Allowed are [rows, columns] and [rows, columns, 3], not empty, all values finite.
        what: Name of the image in the message.

    Raises:
        DataError: The shape is another one, or a value is NaN or infinite.
    """
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3) or 0 in pixels.shape:
        raise DataError(f"the {what} has shape {pixels.shape}; allowed are [rows, columns] and [rows, columns, 3]")
    if not np.isfinite(pixels).all():
        raise DataError(f"the {what} has values that are not finite (NaN or infinite)")


def to_grey(pixels: Pixels) -> Pixels:
    """Computes the luminance of a colour image; a grey one stays as it is.

    Args:
        pixels: [rows, columns] or [rows, columns, 3] (red, green, blue), in any unit.

    Returns:
        float32 [rows, columns], contiguous, in the unit of `pixels`.
    """
    return np.ascontiguousarray(pixels @ LUMINANCE if pixels.ndim == 3 else pixels, dtype=np.float32)


def percentile(ordered: Pixels, percent: float) -> float:
    """Computes a percentile to the bit as `np.percentile` does of values in any order.

    Several of one image cost one sort.

    Args:
        ordered: float32 [n], ascending and finite, at least one.
        percent: The percentile, 0 to 100.

    Source: Hyndman and Fan, The American Statistician 50 (1996) 361-365, definition 7.
    """
    place = (ordered.size - 1) * (percent / 100)
    below, above = int(place), min(int(place) + 1, ordered.size - 1)
    low, high, share = ordered[below], ordered[above], place - below
    return float(low + (high - low) * share if share < 0.5 else high - (high - low) * (1 - share))


def between_class_variance(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Computes Otsu's criterion: the variance between the two classes into which each threshold divides a histogram.

    Args:
        counts: [levels] pixels at each level, not all 0.

    Returns:
        float64 [levels - 1], in squared levels; entry k is that of the threshold between the levels k and k + 1.

    Source: Otsu, IEEE Trans. Syst. Man Cybern. 9 (1979) 62-66, equation 18.
    """
    share = counts / counts.sum()
    below, mean = np.cumsum(share), np.cumsum(share * np.arange(len(counts)))
    # where all pixels lie on one side the numerator is 0 too
    return np.asarray(((mean[-1] * below - mean)[:-1] ** 2) / np.maximum(below * (1 - below), 1e-12)[:-1])
