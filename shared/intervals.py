"""Confidence intervals, from SciPy where it has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

LEVEL = 0.95
DRAWS = 1000


def wilson(successes: int, trials: int, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's score interval for a rate of independent trials (trials at least 1).

    Source: Wilson 1927; recommended for small samples by Newcombe, Stat Med 17:857, 1998.
    """
    interval = binomtest(successes, trials).proportion_ci(level, method="wilson")
    return float(interval.low), float(interval.high)


def bootstrap_groups(
    groups: Sequence[str],
    statistic: Callable[[NDArray[np.int64]], float | None],
    *,
    seed: int = 0,
    level: float = LEVEL,
    draws: int = DRAWS,
) -> tuple[float, float] | None:
    """Percentile interval of a statistic when whole groups (patients) are drawn with replacement.

    Args:
        groups: The group of each sample.
        statistic: Takes indices of the drawn samples; None where it is not defined on them.
        seed: Of the draws.
        level: Of confidence.
        draws: Number of resamples.

    Returns:
        The interval, or None when there are fewer than 2 groups or the statistic was defined in under half the draws.

    Source: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13; clusters as units.
    """
    names, codes = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < 2:
        return None
    order = np.argsort(codes, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(codes))[:-1])
    random = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        drawn = np.concatenate([members[i] for i in random.integers(len(names), size=len(names))])
        value = statistic(drawn)
        if value is not None:
            values.append(value)
    if len(values) < draws / 2:
        return None
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(values, [tail, 100 - tail])
    return float(low), float(high)
