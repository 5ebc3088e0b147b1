"""Comparing two AUCs on the same cases: DeLong's test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from shared.evaluation.statistics.intervals import LEVEL

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """Two AUCs and their difference.

    Attributes:
        first: AUC of the first scores.
        second: AUC of the second.
        low: Lower end of the 95% interval of first - second.
        high: Its upper end.
        p: Two-sided p-value of no difference; 1 where the two rank all cases alike.
    """

    first: float
    second: float
    low: float
    high: float
    p: float


def compare_aucs(first: Values, second: Values, positive: NDArray[np.bool_]) -> Comparison:
    """DeLong's comparison of two paired AUCs.

    Args:
        first: [N] scores of one model.
        second: [N] scores of another on the same independent cases.
        positive: [N] truth, with at least two cases of each kind.

    Raises:
        ValueError: Fewer than two cases of a kind.

    Source: DeLong, DeLong & Clarke-Pearson, Biometrics 44:837, 1988, equations 4 to 6; by mid-ranks after Sun & Xu,
    IEEE Signal Process Lett 21:1389, 2014.
    """
    if min(int(positive.sum()), int((~positive).sum())) < 2:
        raise ValueError("two cases of each kind are needed")
    parts = [_placements(scores, positive) for scores in (first, second)]
    aucs = [float(of_positives.mean()) for of_positives, _ in parts]
    covariance = sum(np.cov(np.stack(pair)) / len(pair[0]) for pair in zip(*parts, strict=True))
    contrast = np.array([1.0, -1.0])
    spread = float(np.sqrt(max(contrast @ covariance @ contrast, 0.0)))
    difference = aucs[0] - aucs[1]
    margin = float(norm.ppf((1 + LEVEL) / 2)) * spread
    p = float(2 * norm.sf(abs(difference) / spread)) if spread > 0 else float(difference == 0.0)
    return Comparison(aucs[0], aucs[1], difference - margin, difference + margin, p)


def _placements(scores: Values, positive: NDArray[np.bool_]) -> tuple[Values, Values]:
    """For each positive case the share of negative ones below it, for each negative the share of positives above."""
    among_all = rankdata(scores)
    above, below = scores[positive], scores[~positive]
    of_positives = (among_all[positive] - rankdata(above)) / len(below)
    of_negatives = 1.0 - (among_all[~positive] - rankdata(below)) / len(above)
    return of_positives, of_negatives
