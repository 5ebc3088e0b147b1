"""Slices that show noise instead of a head: a network answers these as readily as any other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

Pixels = NDArray[np.float32]

OVERVIEW = 32
"""Most pixels on the longer side of the reduced copy."""
MIN_CORRELATION = 0.5
"""Least correlation of neighbouring pixels. The 8,400 slices of nine real collections that show a head have 0.84 or
more, empty ends of series after JPEG 0.52; noise has 0.0, after JPEG of quality 10 and under uneven light 0.5."""
MIN_OVERVIEW_CORRELATION = 0.25
"""The same in the reduced copy, where noise averages out and a head does not: real heads 0.33 or more, noise that was
enlarged by 2 to 4, whose neighbours correlate in the original size, 0.05 to 0.15."""


def is_noise(grey: Pixels) -> bool:
    """Says whether neighbours in a picture differ as in noise, so that nothing can be seen on it.

    Args:
        grey: float32 [rows, columns], finite and not constant.
    """
    if _neighbour_correlation(grey) < MIN_CORRELATION:
        return True
    factor = -(-max(grey.shape) // OVERVIEW)
    return _neighbour_correlation(np.asarray(PillowImage.fromarray(grey).reduce(factor))) < MIN_OVERVIEW_CORRELATION


def _neighbour_correlation(grey: Pixels) -> float:
    """The mean of Pearson's correlations between neighbours in rows and in columns; that of a constant is 0."""
    pairs = (grey[:, :-1], grey[:, 1:]), (grey[:-1], grey[1:])
    return float(np.mean([_correlation(one.astype(np.float64), other.astype(np.float64)) for one, other in pairs]))


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    one, other = one - one.mean(), other - other.mean()
    scale = float(np.sqrt((one**2).sum() * (other**2).sum()))
    return float((one * other).sum() / scale) if scale > 0 else 0.0
