"""From slices to a series, in NumPy alone: prediction imports this."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TOP = 3
"""Slices that speak for a series: a small finding shows on few slices, and one slice alone is noise."""
SMALLEST = 1e-6
"""Where probabilities are cut before their logarithm: ONNX Runtime's float32 gives no more."""

Values = NDArray[np.float64]


def _top(slices: Values) -> float:
    return float(np.sort(slices)[-TOP:].mean())


POOLS: Mapping[str, Callable[[Values], float]] = {
    "max": lambda slices: float(slices.max()),
    "top3": _top,
    "mean": lambda slices: float(slices.mean()),
    "noisy_or": lambda slices: float(1.0 - np.prod(1.0 - slices)),
}
"""[slices] positive probabilities -> one. Of a single slice each gives that slice's."""


@dataclass(frozen=True)
class Aggregation:
    """How the slices of a series, or of a patient, become one probability: a logistic function of pooled ones.

    Attributes:
        pools: Names in `POOLS`.
        weights: Of the logit of each.
        bias: Added to them.
    """

    pools: tuple[str, ...] = ("top3",)
    weights: tuple[float, ...] = (1.0,)
    bias: float = 0.0

    def probability(self, slices: Values) -> float:
        """The positive probability of a series from those of its slices [slices], 0 to 1.

        Raises:
            ValueError: There is no slice.
        """
        return float(1.0 / (1.0 + np.exp(-(pooled_logits(slices, self.pools) @ self.weights + self.bias))))

    def each(self, slices: Values) -> Values:
        """The positive probability [slices] of each slice taken for a series of its own: what thresholds stand for."""
        cut = np.clip(slices, SMALLEST, 1.0 - SMALLEST)
        # every pool of one slice gives that slice
        logits = np.log(cut / (1.0 - cut)) * sum(self.weights) + self.bias
        return np.asarray(1.0 / (1.0 + np.exp(-logits)))


def pooled_logits(slices: Values, pools: tuple[str, ...]) -> Values:
    """Logits [pools] of the pooled probabilities of one series.

    Raises:
        ValueError: There is no slice.
    """
    if not len(slices):
        raise ValueError("a series without slices has no probability")
    pooled = np.clip([POOLS[name](slices) for name in pools], SMALLEST, 1.0 - SMALLEST)
    return np.log(pooled / (1.0 - pooled))


def aggregate(rows: Values, positive: NDArray[np.bool_], by: Aggregation) -> Values:
    """Class probabilities [classes] of a series.

    Args:
        rows: Class probabilities of the slices, [slices, classes], at least one slice.
        positive: For each class, whether it is the event that must not be missed. Without one, the mean over slices.
        by: Gives the probability of the event; within it, and within the rest, the most suspicious slices decide.

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
