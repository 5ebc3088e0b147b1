"""What candidates of advice are judged by: the AUC of the positive event where there is one, else the accuracy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from shared.evaluation.ranking import rank_statistics
from shared.evaluation.rates import Rate
from shared.evaluation.statistics.intervals import LEVEL, Weights, bootstrap

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Judge:
    """Judges class scores of images against their labels.

    Attributes:
        labels: [N] true classes.
        positive: For each class, whether it is the positive event; all or none: there is no such event.
        units: [N] what is independent of the rest.
    """

    labels: NDArray[np.int64]
    positive: NDArray[np.bool_]
    units: NDArray[np.int64]

    @property
    def measure(self) -> str:
        """Which measure: "auc" or "accuracy"."""
        return "auc" if self.positive.any() and not self.positive.all() else "accuracy"

    def of(self, rows: NDArray[np.int64]) -> Judge:
        """That of some of the images."""
        return Judge(self.labels[rows], self.positive, self.units[rows])

    def value(self, scores: Values) -> float:
        """The measure of scores [N, classes]; a half for an AUC that is not defined."""
        found = float(self._statistic(scores)(np.ones((1, len(self.labels))))[0])
        return 0.5 if np.isnan(found) else found

    def interval(self, scores: Values) -> dict[str, Any]:
        """`value`, and `low` and `high` of the 95% interval, which allows for units; None where there is none."""
        if self.measure == "accuracy":
            found = Rate(self.units.tolist())(
                scores.argmax(axis=1) == self.labels, np.ones(len(scores), dtype=np.bool_)
            )
            return {key: found[key] for key in ("value", "low", "high")}
        bounds = bootstrap(self.units.tolist(), self._statistic(scores), rarest=self._rarest())
        low, high = bounds or (None, None)
        return {"value": self.value(scores), "low": low, "high": high}

    def gain(self, scores: Values, over: Values) -> tuple[float, float]:
        """By how much scores are better than others on the same images, and its standard error; inf if unknown."""
        one, two = self._statistic(scores), self._statistic(over)
        rarest = self._rarest() if self.measure == "auc" else None
        bounds = bootstrap(self.units.tolist(), lambda weights: one(weights) - two(weights), rarest=rarest)
        width = 2 * float(norm.ppf((1 + LEVEL) / 2))
        error = np.inf if bounds is None else max((bounds[1] - bounds[0]) / width, 1e-6)
        return self.value(scores) - self.value(over), float(error)

    def _rarest(self) -> int:
        """Units that hold the rarer of the two kinds."""
        truth = self.positive[self.labels]
        return min(len(np.unique(self.units[truth])), len(np.unique(self.units[~truth])))

    def _statistic(self, scores: Values) -> Callable[[Weights], Values]:
        """The measure as a function of weights [B, N] of the images."""
        if self.measure == "auc":
            raw, truth = scores[:, self.positive].sum(axis=1), self.positive[self.labels]
            return rank_statistics(raw, truth)["auc"]
        hits = (scores.argmax(axis=1) == self.labels).astype(np.float64)
        return lambda weights: (weights @ hits) / weights.sum(axis=1)
