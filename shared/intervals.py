"""Confidence intervals: SciPy's for independent trials, a bootstrap over groups for everything else."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

LEVEL = 0.95
DRAWS = 1000
"""Resamples for a percentile interval. Source: Efron & Tibshirani 1993, section 13.3, ask for about 1,000."""
FEWEST_GROUPS = 6
"""Below that a percentile interval covers much less than it says: [min, max] of n groups at most 1 - 2^(1 - n)."""
BLOCK_VALUES = 1 << 22
"""Weights held at once: 32 MiB, so that large test sets do not fill the memory."""

Weights = NDArray[np.float64]


def wilson(successes: int, trials: int, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's score interval for a rate of independent trials.

    Raises:
        ValueError: `trials` is 0, or `successes` is not within 0 to `trials`.

    Source: Wilson 1927, without continuity correction; method 3 of Newcombe, Stat Med 17:857, 1998.
    """
    interval = binomtest(successes, trials).proportion_ci(level, method="wilson")
    return float(interval.low), float(interval.high)


def clopper_pearson_lower(successes: int, trials: int, level: float = LEVEL) -> float:
    """The one-sided exact lower bound of a rate: with confidence `level` the true rate is not below it.

    Raises:
        ValueError: `trials` is 0, or `successes` is not within 0 to `trials`.

    Source: Clopper & Pearson, Biometrika 26:404, 1934.
    """
    return float(binomtest(successes, trials, alternative="greater").proportion_ci(level, method="exact").low)


def group_codes(groups: Sequence[str]) -> NDArray[np.int64]:
    """Numbers groups in the order in which they first occur: what they are called must not change an interval."""
    first: dict[str, int] = {}
    return np.array([first.setdefault(group, len(first)) for group in groups], dtype=np.int64)


def bootstrap(
    groups: Sequence[str],
    statistic: Callable[[Weights], NDArray[np.float64]],
    *,
    seed: int = 0,
    level: float = LEVEL,
    draws: int = DRAWS,
) -> tuple[float, float] | None:
    """Percentile interval of a statistic when whole groups (patients) are drawn with replacement.

    Args:
        groups: The group of each of N samples.
        statistic: Takes float64 [B, N], how often each of B draws holds each sample, and gives float64 [B], NaN
            where it is not defined on a draw (no positive sample was drawn, say).
        seed: Of the draws.
        level: Of confidence.
        draws: Number of resamples.

    Returns:
        The interval, or None when there are fewer than `FEWEST_GROUPS` groups, when the statistic was defined in under
        half the draws, or when all draws agree: a width of 0 would look like certainty.

    Source: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13; groups as the units.
    """
    codes = group_codes(groups)
    count = len(set(groups))
    if count < FEWEST_GROUPS:
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
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(defined, [tail, 100 - tail])
    return None if low == high else (float(low), float(high))
