"""From which out-of-distribution score on nothing is assessed: validation sets it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from scipy.stats import t

from shared.intervals import group_codes
from shared.ood import Values, of_series


def by_series(slices: Values, series: Sequence[Hashable]) -> Values:
    """The score of each series, in the order in which they first occur, from those of samples [N]."""
    owners = group_codes(series)
    return np.array([of_series(slices[owners == owner]) for owner in range(owners.max() + 1)])


def choose_threshold(scores: Values, rate: float) -> float:
    """A threshold that a like input exceeds with a probability of at most `rate`.

    Args:
        scores: [N] of the series of validation, at least two.
        rate: Over 0 and below 1.

    With enough of them it is an order statistic, for which that holds whatever the scores' distribution (split
    conformal prediction). Fewer than 1 / rate scores have no such quantile: then it is the one-sided prediction limit
    of their logarithms, taken as normal.

    Source: Vovk, Gammerman & Shafer, Algorithmic Learning in a Random World, 2005, section 2.2; Hahn & Meeker,
    Statistical Intervals, 1991, section 4.8.
    """
    count = len(scores)
    rank = int(np.ceil((count + 1) * (1.0 - rate)))
    if rank <= count:
        return float(np.sort(scores)[rank - 1])
    logarithms = np.log(np.maximum(scores, np.finfo(np.float32).eps))
    reach = float(t.ppf(1.0 - rate, count - 1)) * np.sqrt(1.0 + 1.0 / count)
    return float(np.exp(logarithms.mean() + reach * logarithms.std(ddof=1)))
