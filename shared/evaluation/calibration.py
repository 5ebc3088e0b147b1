"""Calibration of probabilities: temperature scaling, reliability, calibration error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from scipy.special import softmax as scipy_softmax

from shared.evaluation.statistics.intervals import wilson

BINS = 10


def judged(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], positive: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """What calibration is about: the positive event and whether it is there; without one, the answer and its truth.

    Args:
        probabilities: [N, classes].
        labels: [N] true classes.
        positive: [classes] which are the positive event.
    """
    if positive.any():
        return probabilities[:, positive].sum(axis=1), positive[labels]
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == labels


@dataclass(frozen=True)
class Bin:
    """Samples of about equal probability.

    Attributes:
        predicted: Mean probability.
        observed: Share of positives.
        low: Lower end of the 95% interval of `observed` (Wilson).
        high: Its upper end.
        count: Samples.
    """

    predicted: float
    observed: float
    low: float
    high: float
    count: int


def reliability_bins(scores: NDArray[np.float64], truth: NDArray[np.bool_], bins: int = BINS) -> list[Bin]:
    """Bins of equal numbers of samples, from the lowest probability up; equal probabilities are not parted.

    Args:
        scores: [N] probabilities.
        truth: [N] whether the event happened.
        bins: Wanted; ties may leave fewer.
    """
    order = np.argsort(scores, kind="stable")
    edges = np.searchsorted(scores[order], scores[order][np.linspace(0, len(order), bins + 1).astype(int)[1:-1]])
    found = []
    for rows in np.split(order, np.unique(edges)):
        if len(rows):
            hits = int(truth[rows].sum())
            low, high = wilson(hits, len(rows))
            found.append(Bin(float(scores[rows].mean()), hits / len(rows), low, high, len(rows)))
    return found


def expected_calibration_error(scores: NDArray[np.float64], truth: NDArray[np.bool_], bins: int = BINS) -> float:
    """Mean distance of predicted and observed share over bins of equal numbers, weighted by their size.

    Source: Naeini et al., AAAI 2015; with equal numbers, Nguyen & O'Connor, arXiv 1508.05154.
    """
    found = reliability_bins(scores, truth, bins)
    return float(sum(one.count * abs(one.predicted - one.observed) for one in found) / len(scores))


def brier_score(scores: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """Mean squared difference of probability and event, 0 to 1.

    Source: Brier, Mon Weather Rev 78:1, 1950, in the form for two classes.
    """
    return float(((scores - truth) ** 2).mean())


def net_benefit(
    scores: NDArray[np.float64], truth: NDArray[np.bool_], thresholds: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Net benefit [T] of calling positive from each threshold on: true positives less weighed false ones, a sample.

    A threshold t says that a miss costs (1 - t) / t times as much as a false alarm.

    Source: Vickers & Elkin, Med Decis Making 26:565, 2006.
    """
    called = scores[None, :] >= thresholds[:, None]
    odds = thresholds / (1.0 - thresholds)
    return ((called & truth).sum(axis=1) - odds * (called & ~truth).sum(axis=1)) / len(scores)


LOG_RANGE = (-4.0, 4.0)
"""Natural logarithms of the smallest and largest temperature tried: 0.018 to 55."""


def fit_temperature(scores: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """The temperature T that minimises the negative log-likelihood of softmax(scores / T).

    Args:
        scores: [N, classes] scores before the softmax, of images the head was not fitted to.
        labels: [N] true classes.

    Returns:
        T > 0. It is not let below the value at which a separable set would make all answers certain (the bound).

    Source: Guo et al., On Calibration of Modern Neural Networks, arXiv 1706.04599, section 4.2.
    """

    def loss(log_temperature: float) -> float:
        rows = log_softmax(scores / np.exp(log_temperature), axis=1)
        return float(-rows[np.arange(len(labels)), labels].mean())

    return float(np.exp(minimize_scalar(loss, bounds=LOG_RANGE, method="bounded").x))


def softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities [N, classes] of class scores [N, classes]."""
    probabilities: NDArray[np.float64] = scipy_softmax(scores, axis=1)
    return probabilities
