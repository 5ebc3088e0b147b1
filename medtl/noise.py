"""Slices that show noise instead of a head: a network answers these as readily as any other."""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from medtl.head import ReducedCopy, reduced_copy

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
SEEN_FIRST, SEEN_BAND = 1 << 14, 8
"""Pixels that are looked at first, in bands of so many rows that are spread over the picture."""
SEEN_SPREAD = 0.5
"""Least range of values there, as a share of that in the picture: else few pixels outside may outweigh all others."""
CLEAR_CORRELATION = 0.65
"""Correlation of neighbours there from which it is at least `MIN_CORRELATION` in the whole picture. 3,420 of 4,779
slices of seven real collections have it, with 0.69 or more in the whole picture. The bands had at most 0.013 more than
that, and mostly less, for neighbours differ where two bands meet."""


def is_noise(grey: Pixels) -> bool:
    """Says whether neighbours in a picture differ as in noise, so that nothing can be seen on it.

    Args:
        grey: float32 [rows, columns], finite and not constant.
    """
    if grey.size > MOST_PIXELS:
        tall = grey if grey.shape[0] >= grey.shape[1] else grey.T
        grey = tall[_bands(tall.shape, BAND, MOST_PIXELS)]
    low, high = grey.min(), grey.max()
    visible = grey > low
    if np.count_nonzero(visible) < MIN_VISIBLE * visible.size or _has_two_values(grey, low, high):
        visible = np.ones_like(visible)  # what is seen is then where the values lie, not how they vary
    clear = _clearly_correlated(grey, visible, float(high - low))
    if not clear and _neighbour_correlation(grey, visible) < MIN_CORRELATION:
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
    region = copy.outline.view(np.uint8)
    spread = float(cv2.meanStdDev(copy.pixels, mask=region)[1][0, 0])
    inside = cv2.erode(region, np.ones((3, 3), np.uint8), borderValue=0)
    if spread == 0 or not (count := cv2.countNonZero(inside)):
        return False
    rest = cv2.norm(copy.pixels, cv2.blur(copy.pixels, (3, 3)), cv2.NORM_L2, mask=inside)
    return rest > MAX_ROUGHNESS * spread * math.sqrt(count)


def _has_two_values(grey: Pixels, low: np.float32, high: np.float32) -> bool:
    middle = grey[len(grey) // 2]  # which has others in nearly all pictures
    return not any(((low < one) & (one < high)).any() for one in (middle, grey))


@lru_cache(maxsize=16)
def _bands(shape: tuple[int, int], band: int, most: int) -> NDArray[np.intp]:
    """The rows in bands that are spread over a picture, with about `most` pixels in all."""
    rows, columns = shape
    tops = np.linspace(0, rows - band, most // (band * columns), dtype=np.intp)
    return (tops[:, np.newaxis] + np.arange(band)).ravel()


def _clearly_correlated(grey: Pixels, visible: NDArray[np.bool_], spread: float) -> bool:
    """Says whether neighbours in some bands have so much in common that the rest of the picture need not be seen.

    It must be where these bands miss the lowest or highest values, for a few of them may outweigh all others.
    """
    if grey.size < 2 * SEEN_FIRST or grey.shape[1] * SEEN_BAND > SEEN_FIRST:
        return False
    rows = _bands(grey.shape, SEEN_BAND, SEEN_FIRST)
    seen = grey[rows]
    if np.ptp(seen) < SEEN_SPREAD * spread:
        return False
    return _neighbour_correlation(seen, visible[rows]) >= CLEAR_CORRELATION


def _overview_correlation(grey: Pixels) -> float:
    factor, copy = -(-max(grey.shape) // OVERVIEW), reduced_copy(grey)
    if factor % copy.factor == 0 and not any(side % copy.factor for side in grey.shape):
        grey, factor = copy.pixels, factor // copy.factor  # means of means, from fewer pixels
    overview = np.asarray(PillowImage.fromarray(grey).reduce(factor))
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
    (weights, values, squares), others = terms[:, :-distance], terms[:, distance:]
    count, one, other = (float(a @ b) for a, b in ((weights, others[0]), (values, others[0]), (weights, others[1])))
    if not count:
        return 0.0
    spreads = _spread_of(float(squares @ others[0]), one, count), _spread_of(float(weights @ others[2]), other, count)
    scale = math.sqrt(spreads[0] * spreads[1])
    return (float(values @ others[1]) - one * other / count) / scale if scale else 0.0


def _spread_of(squares: float, total: float, count: float) -> float:
    """The sum of squared distances from the mean of `count` values; 0 where it is only rounding."""
    spread = squares - total**2 / count
    return spread if spread > ROUNDING * squares else 0.0
