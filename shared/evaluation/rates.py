"""Shares of samples with their confidence intervals, by independent unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.evaluation.statistics.intervals import group_codes, wilson, wilson_grouped


class Rate:
    """A rate with Wilson's interval, which allows for groups where samples share one (a unit)."""

    def __init__(self, units: Units, least: int = 1) -> None:
        self.units = np.asarray(units)
        self.least = least

    def __call__(self, hits: Flags, among: Flags) -> dict[str, Any]:
        """How many of the samples `among` [N] are `hits` [N]."""
        trials, successes = int(among.sum()), int((hits & among).sum())
        if trials < self.least:
            return undefined(too_few(self.least))
        codes = group_codes(self.units[among].tolist())
        count = int(codes.max()) + 1
        measure = {"value": successes / trials, "successes": successes, "n": trials}
        if count == trials:
            return measure | with_interval(wilson(successes, trials), WILSON)
        if count == 1 and 0 < successes < trials:
            return measure | with_interval(None, WILSON_GROUPED)
        right, all_ = (np.bincount(codes, kind[among]).astype(np.float64) for kind in (hits, among))
        return measure | with_interval(wilson_grouped(right, all_), WILSON_GROUPED)


def divide(above: Values, below: Values) -> Values:
    """The quotient, NaN where it is not defined: `bootstrap` leaves those draws out."""
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)


def with_interval(interval: tuple[float, float] | None, method: str) -> dict[str, Any]:
    """The keys `low`, `high` and `interval` of a measure; where there is no interval, None and the reason.

    Args:
        interval: Lower and upper bound, or None.
        method: How it was made.
    """
    if interval is None:
        reason = "too few groups, or too many draws on which the measure is not defined"
        return {"low": None, "high": None, "interval": None, "interval_reason": reason}
    return {"low": interval[0], "high": interval[1], "interval": method}


def undefined(reason: str) -> dict[str, Any]:
    """A measure that has no value, with the reason."""
    return {"value": None, "reason": reason}


def too_few(least: int) -> str:
    """The reason for a measure of which fewer than `least` samples were there."""
    return f"fewer than {least} samples" if least > 1 else "no such sample"


WILSON = "Wilson"
WILSON_GROUPED = "Wilson, for as many trials as the variance between groups leaves"
BOOTSTRAP = "bootstrap over groups"

Flags = NDArray[np.bool_]
Values = NDArray[np.float64]
Units = Sequence[int]
"""[N] what each sample belongs to that is independent of the rest."""


def rarest_kind(units: Units, *kinds: Flags) -> int:
    """How many units hold the kind of sample that the fewest hold."""
    owners = np.asarray(units)
    return min(len(np.unique(owners[kind])) for kind in kinds)
