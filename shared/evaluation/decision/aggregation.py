"""Aggregation of the slices of a series into one probability, in NumPy alone: prediction imports this."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.evaluation.decision.places import Values, find_places
from shared.evaluation.decision.pools import POOL_WORDS, POOLS, top_weights
from shared.samples import Position

MIN_PROBABILITY = 1e-6
"""Probabilities are cut here before their logarithm: ONNX Runtime's float32 is not more exact."""


@dataclass(frozen=True)
class Aggregation:
    """The logistic function of pooled slices that makes one probability of a series or patient.

    It does not count slices: copies of all of them, their order, and copies of a slice at its position change nothing.

    Attributes:
        pools: Names in `shared.evaluation.decision.pools.POOLS`.
        weights: Weight of each pooled logit.
        bias: Added to the weighted sum of logits.
    """

    pools: tuple[str, ...] = ("neighbours",)
    weights: tuple[float, ...] = (1.0,)
    bias: float = 0.0

    @property
    def rule(self) -> str:
        """The rule in words, to stand beside the probability of a series: "mean of all slices, recalibrated"."""
        pooled = [POOL_WORDS[pool] for pool in self.pools]
        if len(pooled) > 1:
            pooled = [f"{weight:.2g} x {words}" for words, weight in zip(pooled, self.weights, strict=True)]
        recalibrated = self.bias != 0.0 or self.weights != (1.0,)
        return f"{' + '.join(pooled)}{', recalibrated' if recalibrated else ''}"

    def probability(self, slices: Values, positions: Sequence[Position | None] = ()) -> float:
        """Computes the positive probability of a series, 0 to 1; that of slices at one place is their own.

        Args:
            slices: float64 [slices], positive probability of each slice, at least one.
            positions: [slices] place of each slice along the normal; empty, or None among them: not known.

        Raises:
            ValueError: There is no slice.
        """
        pooled = pooled_logits(slices, self.pools, positions)
        if len(find_places(slices[:, np.newaxis], positions).members) == 1:
            return float(1.0 / (1.0 + np.exp(-pooled[0])))  # every pool of one place gives that place
        return float(1.0 / (1.0 + np.exp(-(pooled @ self.weights + self.bias))))


def pooled_logits(slices: Values, pools: tuple[str, ...], positions: Sequence[Position | None] = ()) -> Values:
    """Pools the logits of the slices of one series in several ways; slices at one place are averaged first.

    Args:
        slices: float64 [slices], positive probability of each slice, at least one.
        pools: Names in `shared.evaluation.decision.pools.POOLS`.
        positions: [slices] place of each slice along the normal; empty, or None among them: not known.

    Returns:
        float64 [pools], in the order of `pools`; finite, as probabilities are cut at `MIN_PROBABILITY` before.

    Raises:
        ValueError: There is no slice.
    """
    if not len(slices):
        raise ValueError("a series without slices has no probability")
    places = find_places(slices[:, np.newaxis], positions)
    logits = places.mean(_logits(slices))
    return np.array([POOLS[name](logits, places) for name in pools])


def aggregate(
    rows: Values, positive: NDArray[np.bool_], by: Aggregation, positions: Sequence[Position | None] = ()
) -> Values:
    """Computes the class probabilities of a series from those of its slices.

    Without a positive class they are the mean over places. With one, `by` gives the probability of the positive event.
    It is divided among the positive classes, and the rest among the other classes, in the proportions of the mean over
    the fifth of the places with the highest positive probability.

    Args:
        rows: float64 [slices, classes], 0 to 1, class probabilities of the slices, at least one slice.
        positive: bool [classes], whether a class is the event that must not be missed.
        by: The aggregation that computes the positive probability of the series.
        positions: [slices] place of each slice along the normal; empty, or None among them: not known.

    Returns:
        float64 [classes], 0 to 1.

    Raises:
        ValueError: There is no slice.
    """
    if not len(rows):
        raise ValueError("a series without slices has no probability")
    places = find_places(rows, positions)
    merged = places.mean(rows)
    if not positive.any():
        return merged.mean(axis=0)
    suspicion = rows[:, positive].sum(axis=1)
    whole = by.probability(suspicion, positions)
    shares = np.asarray(top_weights(places.mean(_logits(suspicion))) @ merged)
    for among, mass in ((positive, whole), (~positive, 1.0 - whole)):
        if among.any():
            total = shares[among].sum()
            shares[among] = mass * (shares[among] / total if total > 0 else 1.0 / among.sum())
    return shares


def _logits(probabilities: Values) -> Values:
    cut = np.clip(probabilities, MIN_PROBABILITY, 1.0 - MIN_PROBABILITY)
    return np.asarray(np.log(cut / (1.0 - cut)))
