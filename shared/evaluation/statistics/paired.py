"""Paired tests of two models on the same samples: DeLong's test, sign-flip permutation, Holm's correction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from shared.evaluation.statistics.intervals import LEVEL

Values = NDArray[np.float64]


@dataclass(frozen=True)
class AucComparison:
    """The AUCs of two models on the same cases, and their difference.

    Attributes:
        first: AUC of the first model.
        second: AUC of the second model.
        low: Lower end of the 95% interval of first - second.
        high: Upper end of that interval.
        p: Two-sided p-value of no difference; 1 where both models rank all cases alike.
    """

    first: float
    second: float
    low: float
    high: float
    p: float


def compare_aucs(first: Values, second: Values, positive: NDArray[np.bool_]) -> AucComparison:
    """Compares two paired AUCs by DeLong's test.

    Args:
        first: float64 [N], scores of one model on independent cases, higher for positive.
        second: float64 [N], scores of another model on the same cases.
        positive: bool [N], whether each case is positive; at least two of each kind.

    Returns:
        Both AUCs, the 95% interval of their difference, and its p-value.

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
    return AucComparison(aucs[0], aucs[1], difference - margin, difference + margin, p)


def _placements(scores: Values, positive: NDArray[np.bool_]) -> tuple[Values, Values]:
    """For each positive case, the share of negative ones below it; for each negative case, of positive ones above."""
    among_all = rankdata(scores)
    above, below = scores[positive], scores[~positive]
    of_positives = (among_all[positive] - rankdata(above)) / len(below)
    of_negatives = 1.0 - (among_all[~positive] - rankdata(below)) / len(above)
    return of_positives, of_negatives


def sign_flip_p(gaps: NDArray[np.int64]) -> float:
    """Computes the two-sided p-value of an exact sign-flip permutation test on a sum of independent differences.

    The distribution of the sum over all sign flips is computed, not sampled. Where each difference is -1, 0 or 1 (a
    unit is one image), this is McNemar's exact test.

    Args:
        gaps: int64 [U], a difference for each independent unit: images that one model has right less those of the
            other.

    Returns:
        The p-value, 0 to 1; 1 where the differences add up to 0 or there are none.

    Source: Fisher, The Design of Experiments, 1935, section 21; McNemar, Psychometrika 12:153, 1947.
    """
    sizes = np.abs(gaps[gaps != 0])
    total, observed = int(sizes.sum()), abs(int(gaps.sum()))
    if not observed:
        return 1.0
    law = np.zeros(2 * total + 1)
    law[total] = 1.0
    for size in sizes.tolist():
        # nothing wraps around the ends: the sum lies within the sizes that were added so far
        law = (np.roll(law, size) + np.roll(law, -size)) / 2
    sums = np.arange(-total, total + 1)
    return float(min(1.0, law[np.abs(sums) >= observed].sum()))


def holm(p: Sequence[float]) -> list[float]:
    """Corrects p-values by Holm's method: the chance of any false finding among all tests stays below the level.

    Args:
        p: p-values of all tests, in any order.

    Returns:
        The corrected p-values, 0 to 1, in the order of `p`; empty without tests.

    Source: Holm, Scand J Statist 6:65, 1979.
    """
    order = sorted(range(len(p)), key=lambda i: p[i])
    corrected, least = [0.0] * len(p), 0.0
    for rank, i in enumerate(order):
        least = max(least, min(1.0, (len(p) - rank) * p[i]))
        corrected[i] = least
    return corrected


def over_seeds(differences: Sequence[float], p: Sequence[float]) -> float:
    """Combines the p-values of one pair of models over seeds into one.

    It is the largest of them, and 1 where the differences disagree in direction: a difference counts where every seed
    shows it. Seeds are tested on the same or overlapping images, so methods for independent tests would claim too much;
    the largest is valid whatever their dependence.

    Args:
        differences: Difference of the two models for each seed; a difference of 0 has no direction.
        p: p-value for each seed, at least one.

    Returns:
        The combined p-value, 0 to 1.

    Source: Berger, Technometrics 24:295, 1982 (intersection-union test), once for each direction.
    """
    return max(p) if len({difference > 0 for difference in differences if difference}) <= 1 else 1.0
