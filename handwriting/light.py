"""The light on a photograph of paper or of a blackboard, and how it is removed."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]

CALM_WINDOW = 16
"""The threshold window divided by the window in which the paper's noise is averaged."""
DARK_LEVEL, BOARD_LEVEL = 20, 55
"""Levels of 255 that are added before dividing, for dark and for light ink: in black parts, and all over a blackboard,
noise would be as large as the divisor without them."""


def evenly_lit(smooth: Grey, window: int, *, light_ink: bool) -> Grey:
    """Removes the lighting: paper becomes nearly 255, and ink dark.

    Light multiplies, so the picture is divided by the paper's level. A closing (for chalk an opening) removes ink and
    keeps the edges of shadows in place.

    Args:
        smooth: The picture, uint8 [rows, columns], with little noise.
        window: Side of the window in pixels, odd; more than twice the stroke.
        light_ink: Whether ink is lighter than paper.

    Returns:
        uint8 [rows, columns].
    """
    operation = cv2.MORPH_OPEN if light_ink else cv2.MORPH_CLOSE
    # The closing would take the lightest pixel of noise; a median averages noise and keeps edges too.
    calm = cv2.medianBlur(smooth, max(3, window // CALM_WINDOW | 1))
    paper = cv2.morphologyEx(calm, operation, np.ones((window, window), np.uint8))
    darker, lighter, level = (paper, smooth, BOARD_LEVEL) if light_ink else (smooth, paper, DARK_LEVEL)
    return np.asarray(cv2.divide(cv2.add(darker, level), cv2.add(lighter, level), scale=255))
