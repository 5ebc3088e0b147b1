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
        """Computes the share of hits among some of the cases.

        Args:
            hits: bool [N], whether a case is a hit.
            among: bool [N], the cases that count.

        Returns:
            A dictionary with `value`, `successes`, `n` (number of cases that count), and `low`, `high` and `interval`
            as `with_interval` makes them; with `value` None and a `reason` where fewer than `min_cases` cases count.
        """
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
    """Computes the mean of the values of cases, with a bootstrap interval over units.

    Args:
        values: float64 [N], one value for each case.
        units: [N] number of the independent unit of each case.

    Returns:
        A dictionary with `value`, `n` (number of cases), and `low`, `high` and `interval` as `with_interval` makes
        them; with `value` None and a `reason` where there is no case.
    """
    if not len(values):
        return undefined(too_few(1))
    interval = bootstrap(units, lambda weights: (weights @ values) / weights.sum(axis=1))
    return {"value": float(values.mean()), "n": len(values)} | with_interval(interval, BOOTSTRAP)


def bootstrapped(statistic: Callable[[Weights], Values], units: Units, *kinds: Flags) -> dict[str, Any]:
    """Computes a statistic of N cases, with its bootstrap interval over units.

    Args:
        statistic: Takes float64 [B, N], the weight of each case in each of B draws, and gives float64 [B], NaN where it
            is not defined.
        units: [N] number of the independent unit of each case.
        *kinds: bool [N] each, the kinds of case that the statistic needs; the rarest decides whether there is an
            interval. Without any, all cases are of one kind.

    Returns:
        A dictionary with `value`, `n` (number of cases), and `low`, `high` and `interval` as `with_interval` makes
        them; with `value` None and a `reason` where the statistic is not defined.
    """
    value = float(statistic(np.ones((1, len(units))))[0])
    if np.isnan(value):
        return undefined("one of the two kinds does not occur")
    rarest = rarest_kind(units, *kinds) if kinds else None
    return {"value": value, "n": len(units)} | with_interval(bootstrap(units, statistic, rarest=rarest), BOOTSTRAP)


def rarest_kind(units: Units, *kinds: Flags) -> int:
    """Counts the units that hold the rarest of several kinds of case.

    Args:
        units: [N] number of the independent unit of each case.
        *kinds: bool [N] each, whether a case is of that kind; at least one kind.

    Returns:
        The smallest number of units that hold a kind; 0 where a kind does not occur.
    """
    owners = np.asarray(units)
    return min(len(np.unique(owners[kind])) for kind in kinds)


def divide(above: Values, below: Values) -> Values:
    """Divides `above` by `below`, element by element.

    Args:
        above: float64, of any shape.
        below: float64, of the same shape.

    Returns:
        float64 of that shape; NaN where `below` is not over 0, as `bootstrap` leaves such draws out.
    """
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)


def with_interval(interval: tuple[float, float] | None, method: str) -> dict[str, Any]:
    """Makes the keys of a measure that describe its interval.

    Args:
        interval: Lower and upper bound, or None.
        method: Name of the method that gave the interval.

    Returns:
        `low`, `high` and `interval` (the method). Without an interval all three are None, and `interval_reason` says
        why.
    """
    if interval is None:
        reason = "too few groups, or too many draws on which the measure is not defined"
        return {"low": None, "high": None, "interval": None, "interval_reason": reason}
    return {"low": interval[0], "high": interval[1], "interval": method}


def undefined(reason: str) -> dict[str, Any]:
    """Makes a measure that has no value: a dictionary with `value` None and the `reason`."""
    return {"value": None, "reason": reason}


def too_few(min_cases: int) -> str:
    """Words the reason why a measure is not given: "fewer than 5 samples", or "no such sample" for 1.

    Args:
        min_cases: Number of cases that the measure needs.
    """
    return f"fewer than {min_cases} samples" if min_cases > 1 else "no such sample"
