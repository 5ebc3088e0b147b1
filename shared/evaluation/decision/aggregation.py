"""Aggregation of the slices of a series into one probability, in NumPy alone: prediction imports this."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TOP = 3
"""Most suspicious slices that count for a series: a small finding shows on few slices, and a single one is noise."""
MIN_PROBABILITY = 1e-6
"""Probabilities are cut here before their logarithm: ONNX Runtime's float32 is not more exact."""

Values = NDArray[np.float64]


def _top(slices: Values) -> float:
    return float(np.sort(slices)[-TOP:].mean())


POOLS: Mapping[str, Callable[[Values], float]] = {
    "max": lambda slices: float(slices.max()),
    "top3": _top,
    "mean": lambda slices: float(slices.mean()),
    "noisy_or": lambda slices: float(1.0 - np.prod(1.0 - slices)),
}
"""Functions from the positive probabilities of the slices, float64 [slices], to one; a single slice keeps its own."""
POOL_WORDS = {
    "max": "highest slice",
    "top3": f"mean of the top {TOP} slices",
    "mean": "mean of all slices",
    "noisy_or": "noisy-or of all slices",
}
"""Names of the pools for people."""


@dataclass(frozen=True)
class Aggregation:
    """The logistic function of pooled slices that makes one probability of a series or patient.

    Attributes:
        pools: Names in `POOLS`.
        weights: Weight of the logit of each pooled probability.
        bias: Added to the weighted sum of logits.
    """

    pools: tuple[str, ...] = ("top3",)
    weights: tuple[float, ...] = (1.0,)
    bias: float = 0.0

    @property
    def rule(self) -> str:
        """The rule in words, to stand beside the probability of a series: "mean of the top 3 slices, recalibrated"."""
        pooled = [POOL_WORDS[pool] for pool in self.pools]
        if len(pooled) > 1:
            pooled = [f"{weight:.2g} x {words}" for words, weight in zip(pooled, self.weights, strict=True)]
        recalibrated = self.bias != 0.0 or self.weights != (1.0,)
        return f"{' + '.join(pooled)}{', recalibrated' if recalibrated else ''}"

    def probability(self, slices: Values) -> float:
        """Computes the positive probability of a series, 0 to 1.

        Args:
            slices: float64 [slices], positive probability of each slice, at least one.

        Raises:
            ValueError: There is no slice.
        """
        return float(1.0 / (1.0 + np.exp(-(pooled_logits(slices, self.pools) @ self.weights + self.bias))))

    def each(self, slices: Values) -> Values:
        """Computes the positive probability of each slice as if it were a series of its own.

        Args:
            slices: float64 [slices], positive probability of each slice, 0 to 1.

        Returns:
            float64 [slices], 0 to 1, to be compared with the threshold; empty without slices.
        """
        cut = np.clip(slices, MIN_PROBABILITY, 1.0 - MIN_PROBABILITY)
        # every pool of one slice gives that slice
        logits = np.log(cut / (1.0 - cut)) * sum(self.weights) + self.bias
        return np.asarray(1.0 / (1.0 + np.exp(-logits)))


def pooled_logits(slices: Values, pools: tuple[str, ...]) -> Values:
    """Pools the slices of one series in several ways, and computes the logit of each pooled probability.

    Args:
        slices: float64 [slices], positive probability of each slice, at least one.
        pools: Names in `POOLS`.

    Returns:
        float64 [pools], in the order of `pools`; finite, as probabilities are cut at `MIN_PROBABILITY` before.

    Raises:
        ValueError: There is no slice.
    """
    if not len(slices):
        raise ValueError("a series without slices has no probability")
    pooled = np.clip([POOLS[name](slices) for name in pools], MIN_PROBABILITY, 1.0 - MIN_PROBABILITY)
    return np.log(pooled / (1.0 - pooled))


def aggregate(rows: Values, positive: NDArray[np.bool_], by: Aggregation) -> Values:
    """Computes the class probabilities of a series from those of its slices.

    Without a positive class they are the mean over slices. With one, `by` gives the probability of the positive event.
    It is divided among the positive classes, and the rest among the other classes, in the proportions of the mean over
    the `TOP` (3) slices of the highest positive probability, or over all slices where there are fewer.

    Args:
        rows: float64 [slices, classes], 0 to 1, class probabilities of the slices, at least one slice.
        positive: bool [classes], whether a class is the event that must not be missed.
        by: The aggregation that computes the positive probability of the series.

    Returns:
        float64 [classes], 0 to 1.

    Raises:
        ValueError: There is no slice.
    """
    if not len(rows):
        raise ValueError("a series without slices has no probability")
    if not positive.any():
        return rows.mean(axis=0)
    suspicion = rows[:, positive].sum(axis=1)
    whole = by.probability(suspicion)
    shares = rows[np.argsort(-suspicion, kind="stable")[:TOP]].mean(axis=0)
    for among, mass in ((positive, whole), (~positive, 1.0 - whole)):
        if among.any():
            total = shares[among].sum()
            shares[among] = mass * (shares[among] / total if total > 0 else 1.0 / among.sum())
    return shares
