"""Measures of candidates: AUC where the task has a positive event, else accuracy; and the likelihood of classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from shared.evaluation.calibration import fit_temperature, softmax
from shared.evaluation.ranking import rank_statistics
from shared.evaluation.rates import Rate
from shared.evaluation.statistics.intervals import LEVEL, Weights, bootstrap
from shared.training.selection import mean_log_likelihood

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Scorer:
    """Measures class scores of images against their labels, with intervals that resample independent units.

    Attributes:
        labels: int64 [N], true class of each image.
        positive: bool [classes], which classes are the positive event; all or none: the task has no such event.
        units: int64 [N], number of the independent unit (patient, writer) that each image belongs to.
    """

    labels: NDArray[np.int64]
    positive: NDArray[np.bool_]
    units: NDArray[np.int64]

    @property
    def measure(self) -> str:
        """Name of the measure: "auc" where some but not all classes are positive, else "accuracy"."""
        return "auc" if self.positive.any() and not self.positive.all() else "accuracy"

    def select(self, rows: NDArray[np.int64]) -> Scorer:
        """Makes a scorer of some of the images.

        Args:
            rows: int64 [M], indices of these images.
        """
        return Scorer(self.labels[rows], self.positive, self.units[rows])

    def value(self, scores: Values) -> float:
        """Computes the measure (AUC or accuracy) of class scores, 0 to 1; 0.5 where the AUC is not defined.

        Args:
            scores: float64 [N, classes], scores of the images, higher for a likelier class.
        """
        value = float(self._statistic(scores)(np.ones((1, len(self.labels))))[0])
        return 0.5 if np.isnan(value) else value

    def log_likelihood(self, scores: Values) -> float:
        """Computes the mean log-likelihood of the true classes, in nats, at the temperature that suits the scores best.

        Args:
            scores: float64 [N, classes], scores of the images before a softmax, on any scale.
        """
        return mean_log_likelihood(softmax(scores / fit_temperature(scores, self.labels)), self.labels)

    def interval(self, scores: Values) -> dict[str, Any]:
        """Computes the measure with its 95% interval over independent units.

        Args:
            scores: float64 [N, classes], scores of the images, higher for a likelier class.

        Returns:
            `value`, `low` and `high`; both bounds are None where there are too few units.
        """
        if self.measure == "accuracy":
            rate = Rate(self.units.tolist())(scores.argmax(axis=1) == self.labels, np.ones(len(scores), dtype=np.bool_))
            return {key: rate[key] for key in ("value", "low", "high")}
        bounds = bootstrap(self.units.tolist(), self._statistic(scores), rarest=self._rarest())
        low, high = bounds or (None, None)
        return {"value": self.value(scores), "low": low, "high": high}

    def gain(self, scores: Values, reference: Values) -> tuple[float, float]:
        """Computes by how much scores beat reference scores of the same images, and the standard error of that.

        Args:
            scores: float64 [N, classes], the scores that are judged.
            reference: float64 [N, classes], the scores that they are compared with.

        Returns:
            Difference of the measure, and its standard error; the error is infinite where there are too few units.
        """
        ours, theirs = self._statistic(scores), self._statistic(reference)
        rarest = self._rarest() if self.measure == "auc" else None
        bounds = bootstrap(self.units.tolist(), lambda weights: ours(weights) - theirs(weights), rarest=rarest)
        width = 2 * float(norm.ppf((1 + LEVEL) / 2))
        error = np.inf if bounds is None else max((bounds[1] - bounds[0]) / width, 1e-6)
        return self.value(scores) - self.value(reference), float(error)

    def _rarest(self) -> int:
        """Number of units with images of the rarer of the two: positive or negative."""
        truth = self.positive[self.labels]
        return min(len(np.unique(self.units[truth])), len(np.unique(self.units[~truth])))

    def _statistic(self, scores: Values) -> Callable[[Weights], Values]:
        """The measure as a function of image weights [B, N], as the bootstrap draws them."""
        if self.measure == "auc":
            raw, truth = scores[:, self.positive].sum(axis=1), self.positive[self.labels]
            return rank_statistics(raw, truth)["auc"]
        hits = (scores.argmax(axis=1) == self.labels).astype(np.float64)
        return lambda weights: (weights @ hits) / weights.sum(axis=1)
