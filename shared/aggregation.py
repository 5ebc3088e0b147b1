"""From slices to a series, in NumPy alone: prediction imports this."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TOP = 3
"""Slices that speak for a series: a small finding shows on few slices, and one slice alone is noise."""


def aggregate(rows: NDArray[np.float64], positive: NDArray[np.bool_], top: int = TOP) -> NDArray[np.float64]:
    """Class probabilities [classes] of a series: the mean over its `top` most suspicious slices.

    Args:
        rows: Class probabilities of the slices, [slices, classes], at least one slice.
        positive: For each class, whether it is the event that must not be missed. Without one, all slices count.
        top: How many slices speak; a shorter series speaks with all it has.

    Raises:
        ValueError: There is no slice.
    """
    if not len(rows):
        raise ValueError("a series without slices has no probability")
    if not positive.any():
        return rows.mean(axis=0)
    chosen = np.argsort(-rows[:, positive].sum(axis=1), kind="stable")[:top]
    return rows[chosen].mean(axis=0)
