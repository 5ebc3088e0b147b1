"""How slices are put together, chosen and calibrated on the patients of validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from shared.aggregation import POOLS, Aggregation, Values, pooled_logits
from shared.intervals import group_codes

CANDIDATES = (*((name,) for name in POOLS), ("max", "top3", "mean"))
"""Each pool alone, and three of them together (learned)."""
LEAST = 8
"""Groups of each kind from which a choice is made; with fewer, the default stands."""
FOLDS = 5


@dataclass(frozen=True)
class Choice:
    """What was chosen.

    Attributes:
        aggregation: Fitted to all groups.
        scores: [groups] positive probabilities, each from a fit that did not see the group, in order of appearance.
        truth: [groups] whether any of the group's slices is positive.
        losses: Mean negative log-likelihood over groups of each candidate, cross-fitted; empty where none was made.
    """

    aggregation: Aggregation
    scores: Values
    truth: NDArray[np.bool_]
    losses: dict[str, float]


def choose_aggregation(scores: Values, truth: NDArray[np.bool_], groups: Sequence[str]) -> Choice:
    """The aggregation with the smallest cross-fitted loss over groups.

    Args:
        scores: [N] positive probability of each slice of validation.
        truth: [N] whether the slice is positive; a group is where one of its slices is.
        groups: [N] the group (patient) of each slice.
    """
    codes = group_codes(groups)
    series = [scores[codes == code] for code in range(int(codes.max()) + 1)]
    positive = np.array([bool(truth[codes == code].any()) for code in range(len(series))])
    default = Aggregation()
    plain = np.array([default.probability(slices) for slices in series])
    several = len(series) < len(scores)
    if not several or min(int(positive.sum()), int((~positive).sum())) < LEAST:
        return Choice(default, plain, positive, {})
    folds = _folds(positive)
    fitted = {pools: _cross_fitted(series, positive, pools, folds) for pools in CANDIDATES}
    losses = {pools: _loss(rows, positive) for pools, rows in fitted.items()}
    best = min(CANDIDATES, key=lambda pools: losses[pools])
    named = {"+".join(pools): loss for pools, loss in losses.items()}
    return Choice(_fit(series, positive, best), fitted[best], positive, named)


def _folds(positive: NDArray[np.bool_]) -> NDArray[np.int64]:
    """A fold for each group, both kinds spread evenly; the order of the groups is as good as random."""
    folds = np.empty(len(positive), dtype=np.int64)
    for kind in (positive, ~positive):
        folds[kind] = np.arange(kind.sum()) % FOLDS
    return folds


def _cross_fitted(
    series: Sequence[Values], positive: NDArray[np.bool_], pools: tuple[str, ...], folds: NDArray[np.int64]
) -> Values:
    scores = np.empty(len(series))
    for fold in range(FOLDS):
        inside = np.flatnonzero(folds != fold).tolist()
        fitted = _fit([series[i] for i in inside], positive[inside], pools)
        for i in np.flatnonzero(folds == fold).tolist():
            scores[i] = fitted.probability(series[i])
    return scores


def _fit(series: Sequence[Values], positive: NDArray[np.bool_], pools: tuple[str, ...]) -> Aggregation:
    """Logistic regression on pooled logits, drawn with unit strength towards leaving them as they are."""
    rows = np.stack([pooled_logits(slices, pools) for slices in series])
    signs = np.where(positive, 1.0, -1.0)
    start = np.array([1.0 / len(pools)] * len(pools) + [0.0])

    def loss(values: Values) -> float:
        margins = signs * (rows @ values[:-1] + values[-1])
        return float(np.logaddexp(0.0, -margins).sum() + 0.5 * ((values - start) ** 2).sum())

    # a weight below 0 would call a patient healthier for a more suspicious slice
    bounds = [(0.0, None)] * len(pools) + [(None, None)]
    found = minimize(loss, start, method="L-BFGS-B", bounds=bounds).x
    return Aggregation(pools, tuple(map(float, found[:-1])), float(found[-1]))


def _loss(scores: Values, positive: NDArray[np.bool_]) -> float:
    return float(-np.log(np.where(positive, scores, 1.0 - scores)).mean())
