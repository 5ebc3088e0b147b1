"""Finds the ink on a photographed page, for any light, paper and polarity."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from handwriting.light import evenly_lit

Grey = NDArray[np.uint8]
Mask = NDArray[np.bool_]

SAUVOLA_K = 0.25
"""Sauvola's k: how far below its surroundings ink must lie where there is no other ink. Sauvola and Pietikäinen use
0.5, which loses pencil; at 0.2 printed ruling is taken for ink."""
FULL_INK = 0.95
"""Quantile of the darkness of ink that is taken as its full darkness."""
MIN_DARKNESS = 0.4
"""Share of the full darkness from which a pixel is ink: grain of paper and smears on a blackboard have less."""
MIN_RANGE = 12.0
"""Smallest dynamic range, in levels of 255: the paper's grain, all that a blank page has, reaches 10."""
SMOOTHING = 0.9
"""Standard deviation, in pixels, of the blur before thresholding: noise is white, strokes have 3 pixels or more."""
OVERVIEW = 600
"""Longest side, in pixels, at which the polarity is determined; strokes may blur, the share of ink remains."""
POLARITY_WINDOW = 6
"""Windows along the overview's shorter side: each is wide enough for strokes to be the minority in it."""
POLARITY_CONTRAST = 4.0
"""Smallest standard deviation of a window with ink, in levels of 255; others are bare paper."""


def is_light_ink(grey: Grey) -> bool:
    """Says whether ink is lighter than paper, as on a blackboard; False for a blank page.

    Ink is the minority around each pixel, so its polarity is the sign of the local skewness. The two sides of the edge
    of a shadow or of the table cancel out.

    Args:
        grey: The page, uint8 [rows, columns].
    """
    scale = min(1.0, OVERVIEW / max(grey.shape))
    small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else grey
    side = max(min(small.shape) // POLARITY_WINDOW, min(OVERVIEW // 12, min(small.shape))) | 1
    values = small.astype(np.float64) - small.mean()
    first, second, third = (
        cv2.boxFilter(values**power, -1, (side, side), borderType=cv2.BORDER_REFLECT) for power in (1, 2, 3)
    )
    variance = second - first**2
    written = variance > POLARITY_CONTRAST**2
    skewness = (third - 3 * first * second + 2 * first**3)[written] / variance[written] ** 1.5
    return bool(skewness.sum() > 0)


def ink_mask(grey: Grey, window: int, *, light_ink: bool) -> Mask:
    """Finds the pixels that are ink, by Sauvola's threshold on the evenly lit page.

    Args:
        grey: uint8 [rows, columns].
        window: Side of the window in pixels, odd; more than twice the stroke, or thick strokes become hollow.
        light_ink: Whether ink is lighter than paper.

    Returns:
        bool [rows, columns], true for ink.
    """
    smooth = cv2.GaussianBlur(grey, (0, 0), SMOOTHING)
    even = evenly_lit(smooth, window, light_ink=light_ink)
    mask = sauvola(even, window)
    if not mask.any():
        return mask
    full = 255 - float(np.quantile(even[mask], 1 - FULL_INK))
    return np.asarray(mask & (255 - even >= MIN_DARKNESS * full))


def sauvola(grey: Grey, window: int) -> Mask:
    """Finds dark ink: pixels below the local threshold m (1 - k (1 - s / R)), m and s mean and deviation in a window.

    R is the largest deviation on this page instead of the constant 128, so that faint ink on a dim page counts.

    Source: Sauvola and Pietikäinen, Pattern Recognition 33 (2000), equation 5; R of the page: Wolf and Jolion,
    Pattern Analysis and Applications 6 (2004), section 4.2.

    Args:
        grey: The page, uint8 [rows, columns].
        window: Side of the window in pixels.

    Returns:
        bool [rows, columns], true for ink.
    """
    size = (window, window)
    mean = cv2.boxFilter(grey, cv2.CV_32F, size, borderType=cv2.BORDER_REFLECT)
    square = cv2.sqrBoxFilter(grey, cv2.CV_32F, size, borderType=cv2.BORDER_REFLECT)
    deviation = np.sqrt(np.maximum(square - mean * mean, 0))
    # without the last thousandth, which may be a spot of dirt
    dynamic = max(MIN_RANGE, float(np.quantile(deviation[::4, ::4], 0.999)))
    return np.asarray(grey < mean * (1 - SAUVOLA_K * (1 - deviation / dynamic)))
