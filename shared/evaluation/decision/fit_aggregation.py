"""Choice and calibration of an aggregation on the series of validation that have several slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from shared.evaluation.decision.aggregation import Aggregation, pooled_logits
from shared.evaluation.decision.places import Values, count_places
from shared.evaluation.decision.pools import POOLS
from shared.evaluation.decision.remainders import negative_remainder
from shared.evaluation.decision.series import SeriesScores, length_of, score_series, slices_of
from shared.evaluation.statistics.groups import group_codes
from shared.samples import Grouping

CANDIDATES = (*((name,) for name in POOLS), ("neighbours", "top_fifth", "mean"))
"""Each pool alone, and three of them with fitted weights."""
MIN_UNITS = 8
"""Units of each kind, with a series of several slices, that a choice needs; with fewer, the default is used."""
FOLDS = 5
"""Folds of the cross-fit."""


@dataclass(frozen=True)
class Choice:
    """A chosen aggregation.

    Attributes:
        aggregation: The mean of the cross-fitted aggregations that gave the scores. One fit to all units would have
            seen each of them, and differ more from the scores that are certified.
        judged: The series. Where there was a choice, those of several slices with negative remainders, each with a
            score from a fit that did not see its unit; else all of them.
        tried: Number of aggregations among which the data chose; 1: there was no choice.
        losses: Mean negative log-likelihood over series of each candidate, cross-fitted; empty where there was no
            choice.
        reason: Why this aggregation, in one sentence without a full stop.
    """

    aggregation: Aggregation
    judged: SeriesScores
    tried: int
    losses: dict[str, float]
    reason: str


@dataclass(frozen=True)
class _Several:
    """The series of several slices: what tells one pool from another.

    Attributes:
        series: Indices of the slices of each that `predict` judges.
        truth: bool [S], whether each is positive, be it by slices that are left out; a negative remainder of a positive
            one is not.
        units: [S] number of the independent unit of each.
        remainders: bool [S], whether each is a negative remainder.
        lost: Indices of all slices of each positive series of which `predict` leaves out all places but one at most: it
            tells no pool from another, and it is missed.
    """

    series: Sequence[NDArray[np.int64]]
    truth: NDArray[np.bool_]
    units: NDArray[np.int64]
    remainders: NDArray[np.bool_]
    lost: Sequence[NDArray[np.int64]]

    def count(self, chosen: NDArray[np.bool_]) -> int:
        """Counts the units of the chosen series, bool [S]."""
        return len(set(self.units[chosen].tolist()))

    @property
    def positives(self) -> int:
        """Number of units with a positive series."""
        return self.count(self.truth)

    @property
    def negatives(self) -> int:
        """Number of units that have a negative series and no positive one, or a negative remainder."""
        well = ~np.isin(self.units, self.units[self.truth])
        return self.count(well) + self.count(self.remainders)


def choose_aggregation(
    scores: Values, truth: NDArray[np.bool_], grouping: Grouping, *, group_name: str = "group"
) -> Choice:
    """Chooses the aggregation with the lowest cross-fitted loss over series of several slices.

    Images that `predict` judges alone, and series of one slice, tell no pool from another and do not count. Where fewer
    than `MIN_UNITS` units have a negative series, the negative remainders of positive ones count too.

    Args:
        scores: float64 [N], positive probability of each slice of validation.
        truth: bool [N], whether a slice is positive; a series is positive where one of its slices is.
        grouping: Series, group and independent unit of each slice, with positions where they are known.
        group_name: What a group of images is, as in `shared.task.Task`.

    Returns:
        The choice. It is the default aggregation, without losses, where fewer than `MIN_UNITS` units of each kind have
        a series of several slices.
    """
    default = Aggregation()
    several = _find_several(truth, grouping)
    counts = _counts_text(several, f"{group_name}s" if _are_named(several, grouping) else "independent units")
    if min(several.positives, several.negatives) < MIN_UNITS:
        reason = f"the default, for validation holds {counts}, and a choice needs {MIN_UNITS} of each"
        return Choice(default, score_series(scores, truth, grouping, default), 1, {}, reason)
    folds = _folds(several)
    fitted = {pools: _cross_fitted(scores, several, grouping, pools, folds) for pools in CANDIDATES}
    losses = {pools: _loss(rows, several.truth) for pools, (rows, _) in fitted.items()}
    best = min(CANDIDATES, key=lambda pools: losses[pools])
    named = {"+".join(pools): loss for pools, loss in losses.items()}
    rows, fits = fitted[best]
    reason = f"chosen among {len(CANDIDATES)} on {counts}"
    return Choice(_mean(fits), _judged(rows, several, grouping), len(CANDIDATES), named, reason)


def _find_several(truth: NDArray[np.bool_], grouping: Grouping) -> _Several:
    """The series of several places, with negative remainders where units with a negative series are too few."""
    series = [
        rows
        for rows in slices_of(grouping.series)
        if not (grouping.alone and grouping.alone[int(rows[0])]) and _has_several_places(rows, grouping)
    ]
    whole = _several(series, [], truth, grouping)
    if whole.negatives >= MIN_UNITS:
        return whole
    found = [rows[negative_remainder(truth[rows], grouping.positions_of(rows))] for rows in series]
    return _several(series, [rows for rows in found if len(rows)], truth, grouping)


def _has_several_places(rows: NDArray[np.int64], grouping: Grouping) -> bool:
    return count_places(len(rows), grouping.positions_of(rows)) > 1


def _several(
    series: Sequence[NDArray[np.int64]],
    remainders: Sequence[NDArray[np.int64]],
    truth: NDArray[np.bool_],
    grouping: Grouping,
) -> _Several:
    left = [_has_several_places(grouping.judged(rows), grouping) for rows in series]
    both = [*compress(series, left), *remainders]
    return _Several(
        [grouping.judged(rows) for rows in both],
        np.array([bool(truth[rows].any()) for rows in both], dtype=np.bool_),
        np.array([grouping.units[int(rows[0])] for rows in both], dtype=np.int64),
        np.arange(len(both)) >= sum(left),
        [rows for rows, is_left in zip(series, left, strict=True) if not is_left and truth[rows].any()],
    )


def _counts_text(several: _Several, units: str) -> str:
    """How many units have a positive and how many a negative series: "12 patients with a positive ... and 0 with"."""
    text = (
        f"{several.positives} {units} with a positive series of several slices and {several.negatives} with a "
        "negative one"
    )
    count = several.count(several.remainders)
    return f"{text} ({count} of them by negative remainders of positive series)" if count else text


def _are_named(several: _Several, grouping: Grouping) -> bool:
    """Whether the data say of each slice of these series which patient it is of; pictures beside them do not count."""
    if not several.series:
        return grouping.named
    return all(grouping.are_named(rows) for rows in several.series)


def _judged(scores: Values, several: _Several, grouping: Grouping) -> SeriesScores:
    """The series with their scores; a remainder belongs to a unit of its own, for its patient is a positive one."""
    every = [*several.series, *several.lost]
    first, lost = [int(rows[0]) for rows in every], len(several.lost)
    apart = max(grouping.units) + 1 - min(grouping.units)
    units = (several.units + apart * several.remainders).tolist()
    return SeriesScores(
        np.append(scores, np.zeros(lost)),
        np.append(several.truth, np.ones(lost, dtype=np.bool_)),
        tuple(length_of(rows, grouping) for rows in every),
        tuple(grouping.groups[i] for i in first),
        (*units, *(grouping.units[int(rows[0])] for rows in several.lost)),
        _are_named(several, grouping),
        several.count(several.remainders),
    )


def _folds(several: _Several) -> NDArray[np.int64]:
    """A fold for each series, int64 [S]: that of its unit, positive and negative units spread evenly.

    Units are in random order already.
    """
    codes = group_codes(several.units.tolist())
    positive = np.zeros(int(codes.max()) + 1, dtype=np.bool_)
    np.logical_or.at(positive, codes, several.truth)
    folds = np.empty(len(positive), dtype=np.int64)
    for kind in (positive, ~positive):
        folds[kind] = np.arange(kind.sum()) % FOLDS
    return np.asarray(folds[codes])


def _cross_fitted(
    scores: Values, several: _Several, grouping: Grouping, pools: tuple[str, ...], folds: NDArray[np.int64]
) -> tuple[Values, list[Aggregation]]:
    """The score of each series from a fit that did not see its unit, and the fits."""
    found, fits = np.empty(len(several.series)), []
    rows = np.stack([pooled_logits(scores[one], pools, grouping.positions_of(one)) for one in several.series])
    for fold in range(FOLDS):
        inside, outside = folds != fold, folds == fold
        fitted = _fit(rows[inside], several.truth[inside], pools)
        found[outside] = expit(rows[outside] @ np.array(fitted.weights) + fitted.bias)
        fits.append(fitted)
    return found, fits


def _mean(fits: Sequence[Aggregation]) -> Aggregation:
    weights = np.mean([fit.weights for fit in fits], axis=0)
    return Aggregation(fits[0].pools, tuple(map(float, weights)), float(np.mean([fit.bias for fit in fits])))


def _fit(rows: Values, positive: NDArray[np.bool_], pools: tuple[str, ...]) -> Aggregation:
    """Logistic regression on pooled logits, with a penalty of strength 1 on the distance to their plain mean."""
    signs = np.where(positive, 1.0, -1.0)
    start = np.array([1.0 / len(pools)] * len(pools) + [0.0])

    def loss(values: Values) -> tuple[float, Values]:
        """The loss with its gradient."""
        margins = signs * (rows @ values[:-1] + values[-1])
        slopes = -signs * expit(-margins)
        away = values - start
        return (
            float(np.logaddexp(0.0, -margins).sum() + 0.5 * (away**2).sum()),
            np.append(slopes @ rows, slopes.sum()) + away,
        )

    # a weight below 0 would call a patient healthier for a more suspicious slice
    bounds = [(0.0, None)] * len(pools) + [(None, None)]
    found = minimize(loss, start, method="L-BFGS-B", jac=True, bounds=bounds).x
    return Aggregation(pools, tuple(map(float, found[:-1])), float(found[-1]))


def _loss(scores: Values, positive: NDArray[np.bool_]) -> float:
    return float(-np.log(np.where(positive, scores, 1.0 - scores)).mean())
