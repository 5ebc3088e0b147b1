"""Statistics of the order of scores: AUC, average precision, sensitivity at a specificity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from shared.evaluation.rates import Flags, Units, Values, bootstrapped, divide, undefined
from shared.evaluation.statistics.intervals import Weights

ONE_KIND = "only one of the two kinds occurs"


def rank_statistics(scores: Values, truth: Flags) -> dict[str, Callable[[Weights], Values]]:
    """Prepares AUC and average precision of N cases as functions of weights of these cases, for bootstrap intervals.

    Args:
        scores: float64 [N], higher for positive.
        truth: bool [N], whether each case is positive.

    Returns:
        Two functions, `auc` and `average_precision`. Each takes weights, float64 [B, N], and gives the statistic for
        each of the B weightings, float64 [B], 0 to 1; NaN where only one of the two kinds has weight.
    """
    ranks = _Ranks(scores, truth)
    return {"auc": ranks.auc, "average_precision": ranks.average_precision}


def sensitivity_at_specificity(scores: Values, truth: Flags, units: Units, specificity: float) -> dict[str, Any]:
    """Computes the best sensitivity of any threshold that reaches a specificity on these very cases.

    It measures the ranking. No run can promise it elsewhere, for its threshold would have to be known before.

    Args:
        scores: float64 [N], higher for positive.
        truth: bool [N], whether each case is positive.
        units: [N] number of the independent unit of each case.
        specificity: The specificity to reach, 0 to 1.

    Returns:
        A dictionary with `value`, `n` (number of cases), and `low`, `high` and `interval` of the 95% interval; with
        `value` None and a `reason` where only one of the two kinds occurs.
    """
    if not truth.any() or truth.all():
        return undefined(ONE_KIND)
    ranks = _Ranks(scores, truth)
    return bootstrapped(lambda weights: ranks.sensitivity_at(weights, specificity), units, truth, ~truth)


class _Ranks:
    """Statistics of a ranking for many weightings of its cases at once; equal scores share a rank.

    Args:
        scores: float64 [N], higher for positive.
        truth: bool [N], whether each case is positive.
    """

    def __init__(self, scores: Values, truth: Flags) -> None:
        self.order = np.argsort(-scores, kind="stable")
        self.truth = truth[self.order].astype(np.float64)
        self.starts = np.flatnonzero(np.diff(scores[self.order], prepend=np.inf))

    def _weigh(self, weights: Weights) -> tuple[Values, Values]:
        """Positive and negative weight at each distinct score, from the highest down, each [B, scores]."""
        ordered = weights[:, self.order]
        positives = np.add.reduceat(ordered * self.truth, self.starts, axis=1)
        return positives, np.add.reduceat(ordered, self.starts, axis=1) - positives

    def auc(self, weights: Weights) -> Values:
        """Chance that a positive case scores above a negative one, ties halved: float64 [B]."""
        positives, negatives = self._weigh(weights)
        beaten = negatives.sum(axis=1, keepdims=True) - np.cumsum(negatives, axis=1) + negatives / 2
        return divide((positives * beaten).sum(axis=1), positives.sum(axis=1) * negatives.sum(axis=1))

    def average_precision(self, weights: Weights) -> Values:
        """Precision at each distinct score, weighted by the recall gained there, without interpolation: [B]."""
        positives, negatives = self._weigh(weights)
        hits = np.cumsum(positives, axis=1)
        precision = hits / np.maximum(hits + np.cumsum(negatives, axis=1), 1.0)
        # a draw without negatives has no ranking to judge, as in `auc`
        return divide((positives * precision).sum(axis=1), hits[:, -1] * (negatives.sum(axis=1) > 0))

    def sensitivity_at(self, weights: Weights, specificity: float) -> Values:
        """Share of positives at or above the lowest score at which `specificity` of negatives lie below: [B]."""
        positives, negatives = self._weigh(weights)
        all_positives, all_negatives = positives.sum(axis=1), negatives.sum(axis=1)
        allowed = (1.0 - specificity) * all_negatives[:, None] + 1e-9  # 0.2 x 5 must allow 1
        reached = np.where(np.cumsum(negatives, axis=1) <= allowed, np.cumsum(positives, axis=1), 0.0).max(axis=1)
        return divide(np.where(all_negatives > 0, reached, np.nan), all_positives)
