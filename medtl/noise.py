"""Slices that show noise instead of a head: a network answers these as readily as any other."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from medtl.head import ReducedCopy

Pixels = NDArray[np.float32]

OVERVIEW = 32
"""Most pixels on the longer side of the reduced copy."""
MIN_CORRELATION = 0.5
"""Least correlation of neighbouring pixels, but for those of the lowest value, which fills the surroundings. 976 slices
of five real collections that show a head have 0.77 or more, nearly empty ends of series 0.56 after JPEG; noise has 0.0,
after JPEG of quality 10 and under uneven light up to 0.5."""
MIN_OVERVIEW_CORRELATION = 0.25
"""The same of all pixels of the reduced copy, where noise averages out and a head does not: 8,400 real heads have 0.33
or more; noise that was enlarged by 2 to 4, whose neighbours correlate in the original size, 0.05 to 0.15."""
MIN_VISIBLE = 0.25
"""Share of the pixels that must lie above the lowest value for those at it to be surroundings: the last slices of a
head, a few grey levels on black, are otherwise taken for noise."""
MAX_ROUGHNESS = 0.7
"""Largest share of the variation in the bright region that lies between a pixel of the reduced copy and the mean of the
3 x 3 around it: 1204 slices of lgg_du with a tumour have up to 0.656, 3,836 of four other collections up to 0.595;
white noise has 0.94 (docs/lab-log.md, "Slices with little head")."""

ROUNDING = 1e-6
"""Share of a sum of squares that may be left of it by rounding."""
MOST_PIXELS = 1 << 22
"""Pixels of which neighbours are compared: all of a slice of 2048 x 2048."""
BAND = 64
"""Rows of a picture with more pixels that are looked at together."""


def is_noise(grey: Pixels) -> bool:
    """Says whether neighbours in a picture differ as in noise, so that nothing can be seen on it.

    Args:
        grey: float32 [rows, columns], finite and not constant.
    """
    grey = _spread(grey)
    low, high = grey.min(), grey.max()
    visible = grey > low
    if np.count_nonzero(visible) < MIN_VISIBLE * visible.size or not (visible & (grey < high)).any():
        visible = np.ones_like(visible)  # what is seen is then where the values lie, not how they vary
    if _neighbour_correlation(grey, visible) < MIN_CORRELATION:
        return True
    if _overview_correlation(grey) >= MIN_OVERVIEW_CORRELATION:
        return False
    # Where the mean of the head became 0, as that of its surroundings is, only the distance from it shows the head.
    distance = np.abs(grey - np.median(np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])))
    return _overview_correlation(distance) < MIN_OVERVIEW_CORRELATION


def is_noisy_region(copy: ReducedCopy) -> bool:
    """Says whether the bright region of a picture is noise, with black around it where a program cut it out.

    Args:
        copy: The reduced copy of the picture.
    """
    region = copy.outline
    spread = float(copy.pixels[region].std()) if region.any() else 0.0
    if spread == 0:
        return False
    inside = cv2.erode(region.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=0).astype(bool)
    if not inside.any():
        return False
    rest = (copy.pixels - cv2.blur(copy.pixels, (3, 3)))[inside]
    return float(np.sqrt(np.mean(np.square(rest, dtype=np.float64)))) > MAX_ROUGHNESS * spread


def _spread(grey: Pixels) -> Pixels:
    """The picture, or of a large one bands that are spread over it, which are enough to tell noise."""
    if grey.size <= MOST_PIXELS:
        return grey
    tall = grey if grey.shape[0] >= grey.shape[1] else grey.T
    tops = np.linspace(0, len(tall) - BAND, MOST_PIXELS // (BAND * tall.shape[1]), dtype=int)
    return np.concatenate([tall[top : top + BAND] for top in tops])


def _overview_correlation(grey: Pixels) -> float:
    overview = np.asarray(PillowImage.fromarray(grey).reduce(-(-max(grey.shape) // OVERVIEW)))
    return _neighbour_correlation(overview, np.ones(overview.shape, bool))


def _neighbour_correlation(grey: Pixels, visible: NDArray[np.bool_]) -> float:
    """The mean of Pearson's correlations between visible neighbours in rows and in columns; that of a constant is 0."""
    rows, columns = grey.shape
    # a column that is not visible ends each row, so that neighbours in rows and in columns lie at one distance
    terms = np.zeros((3, rows, columns + 1), np.float32)
    weights, values, squares = terms
    weights[:, :-1] = visible
    # sums of squares of what is far from 0 lose digits
    np.subtract(grey, grey.mean(dtype=np.float64).astype(np.float32), out=values[:, :-1])
    values /= np.abs(values).max() or np.float32(1)
    values *= weights
    np.square(values, out=squares)
    flat = terms.reshape(3, -1)
    return (_correlation(flat, 1) + _correlation(flat, columns + 1)) / 2


def _correlation(terms: Pixels, distance: int) -> float:
    """Pearson's correlation of the visible values that lie at a distance from each other.

    Args:
        terms: float32 [3, n], where n values are visible (1, else 0), the values there (else 0) and their squares.
        distance: Number of values from the first of a pair to the second.
    """
    sums = np.asarray(terms[:, :-distance] @ terms[:, distance:].T, dtype=np.float64)
    count, one, other = sums[0, 0], sums[1, 0], sums[0, 1]
    if not count:
        return 0.0
    spreads = [_spread_of(squares, total, count) for squares, total in ((sums[2, 0], one), (sums[0, 2], other))]
    scale = math.sqrt(spreads[0] * spreads[1])
    return float(sums[1, 1] - one * other / count) / scale if scale else 0.0


def _spread_of(squares: float, total: float, count: float) -> float:
    """The sum of squared distances from the mean of `count` values; 0 where it is only rounding."""
    spread = squares - total**2 / count
    return spread if spread > ROUNDING * squares else 0.0
