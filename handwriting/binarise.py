"""Which pixels of a photographed page are ink, whatever the light, the paper and the polarity."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Mask = NDArray[np.bool_]

SAUVOLA_K = 0.25
"""How far below its surroundings ink must lie where nothing else is. Sauvola and Pietikäinen use 0.5, which loses
pencil; at 0.2 ruled lines and the grain of the paper come through."""
MIN_RANGE = 8.0
"""Levels of 255: a page whose local standard deviation never exceeds this has no ink on it, only noise."""
SMOOTHING = 0.9
"""Standard deviation in pixels of the blur before thresholding: sensor noise is white, strokes are 3 pixels or more."""
OVERVIEW = 600
"""Longest side at which the paper is looked at for the polarity: strokes may blur, paper may not."""


def is_light_ink(grey: Grey) -> bool:
    """Whether ink is lighter than paper, as on a blackboard.

    Ink is the minority and lies on one side of its surroundings: the side of the longer tail, by the third moment
    about the local median, to which shadows and lamps contribute nothing.
    """
    scale = min(1.0, OVERVIEW / max(grey.shape))
    small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else grey
    window = min(small.shape) // 3 | 1
    deviation = small.astype(np.float64) - cv2.medianBlur(small, max(3, window))
    return bool(np.mean(deviation**3) > 0)


def sauvola(grey: Grey, window: int) -> Mask:
    """Pixels darker than the local threshold m (1 - k (1 - s / R)), m and s the mean and deviation in a window.

    R is the largest deviation on this page instead of the constant 128, so that faint ink on a dim page counts.

    Args:
        grey: uint8 [rows, columns], ink darker than paper.
        window: Side in pixels, odd; above twice the stroke, or thick strokes become hollow.

    Returns:
        bool [rows, columns], true for ink; all false where the page has no contrast.

    Source: Sauvola and Pietikäinen, Pattern Recognition 33 (2000), equation 5; R of the page: Wolf and Jolion,
    Pattern Analysis and Applications 6 (2004), section 4.2.
    """
    smooth = cv2.GaussianBlur(grey, (0, 0), SMOOTHING)
    size = (window, window)
    mean = cv2.boxFilter(smooth, cv2.CV_32F, size, borderType=cv2.BORDER_REFLECT)
    square = cv2.sqrBoxFilter(smooth, cv2.CV_32F, size, borderType=cv2.BORDER_REFLECT)
    deviation = np.sqrt(np.maximum(square - mean * mean, 0))
    dynamic = float(np.quantile(deviation, 0.999))
    if dynamic < MIN_RANGE:
        return np.zeros(grey.shape, dtype=np.bool_)
    return np.asarray(smooth < mean * (1 - SAUVOLA_K * (1 - deviation / dynamic)))
