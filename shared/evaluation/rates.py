"""Rates and other statistics with their confidence intervals, by independent unit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.evaluation.statistics.groups import group_codes
from shared.evaluation.statistics.intervals import Weights, bootstrap, wilson, wilson_grouped

WILSON = "Wilson"
WILSON_GROUPED = "Wilson, for as many trials as the variance between groups leaves"
BOOTSTRAP = "bootstrap over groups"

Flags = NDArray[np.bool_]
Values = NDArray[np.float64]
Units = Sequence[int]
"""[N] number of the independent unit that each case belongs to."""


class Rate:
    """Computes rates with Wilson's interval, which allows for units that hold several cases.

    Args:
        units: [N] number of the independent unit of each case.
        min_cases: Number of cases below which a rate is not given.
    """

    def __init__(self, units: Units, min_cases: int = 1) -> None:
        self.units = np.asarray(units)
        self.min_cases = min_cases

    def __call__(self, hits: Flags, among: Flags) -> dict[str, Any]:
        """The share of `hits`, bool [N], among the cases where `among`, bool [N], is true."""
        trials, successes = int(among.sum()), int((hits & among).sum())
        if trials < self.min_cases:
            return undefined(too_few(self.min_cases))
        codes = group_codes(self.units[among].tolist())
        count = int(codes.max()) + 1
        measure = {"value": successes / trials, "successes": successes, "n": trials}
        if count == trials:
            return measure | with_interval(wilson(successes, trials), WILSON)
        if count == 1 and 0 < successes < trials:
            return measure | with_interval(None, WILSON_GROUPED)
        right, all_ = (np.bincount(codes, kind[among]).astype(np.float64) for kind in (hits, among))
        return measure | with_interval(wilson_grouped(right, all_), WILSON_GROUPED)


def mean_with_interval(values: Values, units: Units) -> dict[str, Any]:
    """Computes the mean of float64 [N] with a bootstrap interval over units, as a measure."""
    if not len(values):
        return undefined(too_few(1))
    interval = bootstrap(units, lambda weights: (weights @ values) / weights.sum(axis=1))
    return {"value": float(values.mean()), "n": len(values)} | with_interval(interval, BOOTSTRAP)


def bootstrapped(statistic: Callable[[Weights], Values], units: Units, *kinds: Flags) -> dict[str, Any]:
    """Computes a statistic of N cases with its bootstrap interval over units, as a measure.

    Args:
        statistic: Takes float64 [B, N], the weight of each case in each of B draws, and gives float64 [B], NaN where it
            is not defined.
        units: [N] number of the independent unit of each case.
        *kinds: bool [N] each, the kinds of case that the statistic needs; the rarest decides whether there is an
            interval. None: all cases are of one kind.
    """
    value = float(statistic(np.ones((1, len(units))))[0])
    if np.isnan(value):
        return undefined("one of the two kinds does not occur")
    rarest = rarest_kind(units, *kinds) if kinds else None
    return {"value": value, "n": len(units)} | with_interval(bootstrap(units, statistic, rarest=rarest), BOOTSTRAP)


def rarest_kind(units: Units, *kinds: Flags) -> int:
    """Counts the units that hold the rarest of several kinds of case, bool [N] each."""
    owners = np.asarray(units)
    return min(len(np.unique(owners[kind])) for kind in kinds)


def divide(above: Values, below: Values) -> Values:
    """Divides, with NaN where the quotient is not defined: `bootstrap` leaves those draws out."""
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)


def with_interval(interval: tuple[float, float] | None, method: str) -> dict[str, Any]:
    """Makes the keys `low`, `high` and `interval` of a measure; where there is no interval, None and the reason.

    Args:
        interval: Lower and upper bound, or None.
        method: Name of the method that gave the interval.
    """
    if interval is None:
        reason = "too few groups, or too many draws on which the measure is not defined"
        return {"low": None, "high": None, "interval": None, "interval_reason": reason}
    return {"low": interval[0], "high": interval[1], "interval": method}


def undefined(reason: str) -> dict[str, Any]:
    """Makes a measure that has no value, with the reason."""
    return {"value": None, "reason": reason}


def too_few(min_cases: int) -> str:
    """Words the reason why a measure is not given: fewer than `min_cases` cases were there."""
    return f"fewer than {min_cases} samples" if min_cases > 1 else "no such sample"
