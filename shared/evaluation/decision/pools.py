"""Pools: from the logits of the places of a series to one logit. None depends on how often a slice is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from shared.evaluation.decision.places import ROUNDING, Places, Values

TOP_SHARE = 0.2
"""Share of the places that speak for a series: a finding shows on some slices, and a single one may be noise."""
TIE_DIGITS = 9
"""Digits of a logit that count where places are ranked: sums are rounded as their order has it."""


def top_weights(logits: Values) -> Values:
    """Computes the weights of the most suspicious fifth of the places, of which the last one counts in part.

    Args:
        logits: float64 [places].

    Returns:
        float64 [places], of sum 1. Places of equal logits have equal weights, and the weights of copies of all places
        sum up to those of one copy.
    """
    ranks = np.empty(len(logits), dtype=np.int64)
    rounded = np.round(logits, TIE_DIGITS)
    ranks[np.argsort(-rounded, kind="stable")] = np.arange(len(logits))
    weights = np.clip(TOP_SHARE * len(logits) - ranks, 0.0, 1.0)
    ties: NDArray[np.intp] = np.unique(rounded, return_inverse=True)[1]
    shared = (np.bincount(ties, weights) / np.bincount(ties))[ties]
    return np.asarray(shared / shared.sum())


def _top_fifth(logits: Values, places: Places) -> float:
    return float(logits @ top_weights(logits))


def _neighbours(logits: Values, places: Places) -> float:
    """The highest mean over a window of neighbouring places; the highest place where positions are not known."""
    if places.at is None:
        return float(logits.max())
    at = places.at
    last = np.searchsorted(at, at + places.window - ROUNDING)
    # the narrowest window that ends at a place: so the answer is the same from either end of the series
    first = [i for i in range(len(at)) if last[i] < len(at) and (i + 1 == len(at) or last[i + 1] > last[i])]
    if not first:
        return float(logits.mean())
    return max(float(logits[i : last[i] + 1].mean()) for i in first)


POOLS: Mapping[str, Callable[[Values, Places], float]] = {
    "neighbours": _neighbours,
    "max": lambda logits, _: float(logits.max()),
    "top_fifth": _top_fifth,
    "mean": lambda logits, _: float(logits.mean()),
}
"""Functions from the logits of the places, float64 [places], and the places to one logit; a single place keeps its own.
Copies of all slices change none of them, nor does the order of the slices."""
POOL_WORDS = {
    "neighbours": "highest mean of neighbouring slices",
    "max": "highest slice",
    "top_fifth": "mean of the most suspicious fifth of the slices",
    "mean": "mean of all slices",
}
"""Names of the pools for people."""
