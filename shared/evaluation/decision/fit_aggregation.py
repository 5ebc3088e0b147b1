"""Choice and calibration of an aggregation on the patients of validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from shared.evaluation.decision.aggregation import POOLS, Aggregation, Values, pooled_logits
from shared.evaluation.decision.series import SeriesScores, group_slices, slices_of
from shared.evaluation.statistics.groups import group_codes
from shared.samples import Grouping

CANDIDATES = (*((name,) for name in POOLS), ("max", "top3", "mean"))
"""Each pool alone, and three of them with fitted weights."""
MIN_UNITS = 8
"""Units of each kind that a choice needs; with fewer, the default is used."""
FOLDS = 5
"""Folds of the cross-fit."""


@dataclass(frozen=True)
class Choice:
    """A chosen aggregation.

    Attributes:
        aggregation: The mean of the cross-fitted aggregations that gave the scores. One fit to all units would have
            seen each of them, and differ more from the scores that are certified.
        judged: The series, each with a score from a fit that did not see its unit.
        tried: Number of aggregations among which the data chose.
        losses: Mean negative log-likelihood over series of each candidate, cross-fitted; empty where there was no
            choice.
    """

    aggregation: Aggregation
    judged: SeriesScores
    tried: int
    losses: dict[str, float]


def choose_aggregation(scores: Values, truth: NDArray[np.bool_], grouping: Grouping) -> Choice:
    """Chooses the aggregation with the lowest cross-fitted loss over series.

    Args:
        scores: float64 [N], positive probability of each slice of validation.
        truth: bool [N], whether a slice is positive; a series is positive where one of its slices is.
        grouping: Series, group and independent unit of each slice.

    Returns:
        The choice. It is the default aggregation, without losses, where each series has one slice, or where fewer than
        `MIN_UNITS` units are positive or fewer are negative.
    """
    series = slices_of(grouping.series)
    values = [scores[rows] for rows in series]
    default = Aggregation()
    plain = group_slices(np.array([default.probability(slices) for slices in values]), truth, grouping, series)
    several = len(series) < len(scores)
    ill = plain.by_unit()[1]
    if not several or min(int(ill.sum()), int((~ill).sum())) < MIN_UNITS:
        return Choice(default, plain, 1, {})
    folds = _folds(ill)[group_codes(plain.units)]
    fitted = {pools: _cross_fitted(values, plain.truth, pools, folds) for pools in CANDIDATES}
    losses = {pools: _loss(rows, plain.truth) for pools, (rows, _) in fitted.items()}
    best = min(CANDIDATES, key=lambda pools: losses[pools])
    named = {"+".join(pools): loss for pools, loss in losses.items()}
    rows, fits = fitted[best]
    return Choice(_mean(fits), replace(plain, scores=rows), len(CANDIDATES), named)


def _folds(positive: NDArray[np.bool_]) -> NDArray[np.int64]:
    """A fold for each unit, int64 [units], both kinds spread evenly; units are in random order already."""
    folds = np.empty(len(positive), dtype=np.int64)
    for kind in (positive, ~positive):
        folds[kind] = np.arange(kind.sum()) % FOLDS
    return folds


def _cross_fitted(
    series: Sequence[Values], positive: NDArray[np.bool_], pools: tuple[str, ...], folds: NDArray[np.int64]
) -> tuple[Values, list[Aggregation]]:
    """The score of each series from a fit that did not see its unit, and the fits."""
    scores, fits = np.empty(len(series)), []
    rows = np.stack([pooled_logits(slices, pools) for slices in series])
    for fold in range(FOLDS):
        inside = folds != fold
        fitted = _fit(rows[inside], positive[inside], pools)
        for i in np.flatnonzero(folds == fold).tolist():
            scores[i] = fitted.probability(series[i])
        fits.append(fitted)
    return scores, fits


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
