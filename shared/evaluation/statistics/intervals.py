"""Confidence intervals: Wilson's for rates, a bootstrap over groups for everything else."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtri, stdtrit
from scipy.stats import binomtest, norm, t

from shared.evaluation.statistics.groups import group_codes

LEVEL = 0.95
DRAWS = 1000
"""Resamples for a percentile interval. Source: Efron & Tibshirani 1993, section 13.3, ask for about 1,000."""
MIN_GROUPS = 6
"""Groups that a percentile interval needs: of fewer, n, even [min, max] covers at most 1 - 2^(1 - n)."""
BLOCK_VALUES = 1 << 22
"""Weights in memory at once: 32 MiB, whatever the size of the test set."""

Weights = NDArray[np.float64]


def wilson(successes: int, trials: int, level: float = LEVEL) -> tuple[float, float]:
    """Computes Wilson's score interval for a rate of independent trials.

    Args:
        successes: Number of successes.
        trials: Number of trials, at least 1.
        level: Confidence level.

    Returns:
        Lower and upper bound, 0 to 1.

    Raises:
        ValueError: `trials` is 0, or `successes` is not within 0 to `trials`.

    Source: Wilson 1927, without continuity correction; method 3 of Newcombe, Stat Med 17:857, 1998.
    """
    interval = binomtest(successes, trials).proportion_ci(level, method="wilson")
    return float(interval.low), float(interval.high)


def wilson_grouped(
    hits: NDArray[np.floating], trials: NDArray[np.floating], level: float = LEVEL
) -> tuple[float, float]:
    """Computes Wilson's score interval for a rate whose trials come in groups (images of a patient, copies).

    The trials count as the number of independent trials that would give the variance observed between groups, and never
    as more than there are; with few groups, or few large ones, as fewer, by Student's t. Where all trials are successes
    or none is, no variance is observed, and each group counts as one trial.

    Args:
        hits: [G] successes in each group, at least one group.
        trials: [G] trials in each group, at least 1.
        level: Confidence level.

    Returns:
        Lower and upper bound, 0 to 1.

    Raises:
        ValueError: There is a single group, in which some trials are successes and some are not.

    Source: Korn & Graubard, Survey Methodology 24:193, 1998, with Wilson's interval in place of the exact one;
    variance of a ratio as in Cochran, Sampling Techniques, 1977, section 6.4; degrees of freedom from the effective
    number of groups of Kish, Survey Sampling, 1965, section 11.7. Rates near 1 of strongly alike trials (0.95 with a
    correlation of 0.6) are still covered less often than stated, 0.86 in place of 0.95.
    """
    count, total = len(trials), float(trials.sum())
    rate = float(hits.sum()) / total
    if rate in (0.0, 1.0):
        return wilson(count if rate else 0, count, level)
    if count < 2:
        raise ValueError("one group shows no variance between groups")
    normal = float(norm.ppf((1.0 + level) / 2))
    effective = _independent_trials(hits, trials) * _by_student(_equal_groups(trials), (1.0 + level) / 2)
    centre = (rate + normal**2 / (2 * effective)) / (1.0 + normal**2 / effective)
    spread = np.sqrt(rate * (1.0 - rate) / effective + normal**2 / (4 * effective**2))
    half = normal * float(spread) / (1.0 + normal**2 / effective)
    return max(0.0, centre - half), min(1.0, centre + half)


def _independent_trials(hits: NDArray[np.floating], trials: NDArray[np.floating]) -> float:
    """The number of independent trials that would give the variance observed between at least two groups."""
    count, total = len(trials), float(trials.sum())
    rate = float(hits.sum()) / total
    variance = count / (count - 1) * float(((hits - rate * trials) ** 2).sum()) / total**2
    return min(rate * (1.0 - rate) / variance, total) if variance > 0 else total


def _equal_groups(trials: NDArray[np.floating]) -> float:
    """Kish's number of equal groups: large groups decide where sizes differ."""
    return float(trials.sum()) ** 2 / float((trials**2).sum())


def _by_student(groups: float, quantile: float) -> float:
    """The share of the independent trials that counts where their variance was observed between so many groups."""
    normal, tail = float(ndtri(quantile)), float(stdtrit(max(groups - 1, 1.0), quantile))
    return (normal / tail) ** 2


@dataclass(frozen=True)
class Evidence:
    """What a bound of a rate needs of its trials, so that it can be taken again at another level.

    Attributes:
        rate: Share of successes; 1 where there is no bound.
        trials: Number of independent trials that the trials are worth.
        groups: Number of groups of equal size from which that number was found; None where it is exact.
    """

    rate: float
    trials: float
    groups: float | None

    @classmethod
    def of(cls, hits: NDArray[np.floating], trials: NDArray[np.floating]) -> Evidence:
        """Weighs the trials of G groups, as `wilson_grouped` does.

        Without any success, each group counts as one trial. One group whose trials differ gives no bound, nor does a
        set without groups.

        Args:
            hits: [G] successes in each group.
            trials: [G] trials in each group, at least 1.
        """
        count, total, found = len(trials), float(trials.sum()), float(hits.sum())
        if found == total or (found and count == 1):
            return cls(1.0, float(count), None)
        if count == total or not found:
            return cls(found / total, float(count), None)
        return cls(found / total, _independent_trials(hits, trials), _equal_groups(trials))

    def upper(self, level: float = LEVEL) -> float:
        """Computes the one-sided Clopper-Pearson upper bound of the rate, above the true one with confidence `level`.

        Exact where each trial is a group of its own; 1 where there is no bound.

        Source: Clopper & Pearson, Biometrika 26:404, 1934; of groups, Korn & Graubard, Survey Methodology 24:193, 1998.
        """
        if self.rate == 1.0:
            return 1.0
        effective = self.trials if self.groups is None else self.trials * _by_student(self.groups, level)
        return float(betaincinv(self.rate * effective + 1.0, effective * (1.0 - self.rate), level))


def level_among(choices: int) -> float:
    """Computes the level at which each of several bounds is taken so that all hold together with 95% (Bonferroni).

    Args:
        choices: Number of bounds, at least 1.
    """
    return 1.0 - (1.0 - LEVEL) / choices


def difference_interval(
    first: float, of_first: tuple[float, float], second: float, of_second: tuple[float, float]
) -> tuple[float, float]:
    """Computes the interval of the difference of two independent rates from their own intervals.

    Args:
        first: A rate, 0 to 1.
        of_first: Its interval at some confidence level, for example Wilson's.
        second: The rate that is subtracted.
        of_second: Its interval at the same level.

    Returns:
        Lower and upper bound of `first - second`, -1 to 1, at that level.

    Source: Newcombe, Stat Med 17:873, 1998, method 10 (square-and-add).
    """
    difference = first - second
    below = np.hypot(first - of_first[0], of_second[1] - second)
    above = np.hypot(of_first[1] - first, second - of_second[0])
    return float(difference - below), float(difference + above)


def clopper_pearson_lower(successes: int, trials: int, level: float = LEVEL) -> float:
    """Computes the one-sided Clopper-Pearson lower bound of a rate, below the true rate with confidence `level`.

    Args:
        successes: Number of successes.
        trials: Number of trials, at least 1.
        level: Confidence level.

    Raises:
        ValueError: `trials` is 0, or `successes` is not within 0 to `trials`.

    Source: Clopper & Pearson, Biometrika 26:404, 1934.
    """
    return float(binomtest(successes, trials, alternative="greater").proportion_ci(level, method="exact").low)


def bootstrap(
    groups: Sequence[Hashable],
    statistic: Callable[[Weights], NDArray[np.float64]],
    *,
    rarest: int | None = None,
    seed: int = 0,
    level: float = LEVEL,
    draws: int = DRAWS,
) -> tuple[float, float] | None:
    """Computes the expanded percentile interval of a statistic, by drawing whole groups (patients).

    Plain percentiles are too narrow for few groups, by the sqrt((n - 1) / n) of the plug-in variance and by the normal
    quantile in place of Student's; the tails are moved out by both.

    Args:
        groups: [N] group of each sample.
        statistic: Takes float64 [B, N], the number of times that each of B draws holds each sample, and gives float64
            [B], NaN where it is not defined on a draw (for example without a positive sample).
        rarest: Number of groups that hold the rarest kind of sample that the statistic needs: an AUC from many healthy
            and three ill patients is as uncertain as three patients are. None: all groups.
        seed: Seed of the draws.
        level: Confidence level.
        draws: Number of resamples.

    Returns:
        The interval, or None when fewer than `MIN_GROUPS` groups hold the rarest kind, when the statistic was
        defined in under half the draws, or when all draws agree: a width of 0 would look like certainty.

    Source: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13; the tails by Hesterberg, The
    American Statistician 69:371, 2015, section 4.5 (expanded percentile interval); groups as the units.
    """
    codes = group_codes(groups)
    count = len(set(groups))
    least = count if rarest is None else min(rarest, count)
    if least < MIN_GROUPS:
        return None
    random = np.random.default_rng(seed)
    block = max(1, BLOCK_VALUES // len(codes))
    values = []
    for start in range(0, draws, block):
        size = min(block, draws - start)
        drawn = random.integers(count, size=(size, count)) + count * np.arange(size)[:, None]
        times = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)
        values.append(statistic(times[:, codes].astype(np.float64)))
    defined = np.concatenate(values)
    defined = defined[~np.isnan(defined)]
    if len(defined) < draws / 2:
        return None
    tail = float(norm.cdf(np.sqrt(least / (least - 1)) * t.ppf((1.0 - level) / 2, least - 1)))
    low, high = np.quantile(defined, [tail, 1.0 - tail])
    return None if low == high else (float(low), float(high))
