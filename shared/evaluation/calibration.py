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


def event_probabilities(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], positive: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Computes the probability of each case's event, and whether it happened.

    The event is that a case is positive; without a positive class, that its likeliest class is the true one.

    Args:
        probabilities: float64 [N, classes], 0 to 1.
        labels: int64 [N], true classes, indices into the columns of `probabilities`.
        positive: bool [classes], whether a class is the positive event.

    Returns:
        Probability of the event, float64 [N], 0 to 1, and whether it happened, bool [N].
    """
    if positive.any():
        return probabilities[:, positive].sum(axis=1), positive[labels]
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == labels


@dataclass(frozen=True)
class Bin:
    """Cases of about equal probability.

    Attributes:
        predicted: Mean probability of the event.
        observed: Share of cases in which it happened.
        low: Lower end of the 95% interval of `observed` (Wilson).
        high: Upper end of that interval.
        count: Number of cases.
    """

    predicted: float
    observed: float
    low: float
    high: float
    count: int


def reliability_bins(scores: NDArray[np.float64], truth: NDArray[np.bool_], bins: int = BINS) -> list[Bin]:
    """Sorts cases by probability into bins of equal numbers; equal probabilities stay in one bin.

    Args:
        scores: float64 [N], probabilities of the event, at least one.
        truth: bool [N], whether the event happened.
        bins: Number of bins; ties, or fewer cases than bins, leave fewer.

    Returns:
        The bins that hold cases, from the lowest probability up.
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
    """Computes the mean distance of predicted from observed share over bins of equal numbers, weighted by size.

    Args:
        scores: float64 [N], probabilities of the event, at least one.
        truth: bool [N], whether the event happened.
        bins: Number of bins; ties may leave fewer.

    Returns:
        The error, 0 to 1; 0 where predicted and observed shares agree in each bin.

    Source: Naeini et al., AAAI 2015; with equal numbers, Nguyen & O'Connor, arXiv 1508.05154.
    """
    found = reliability_bins(scores, truth, bins)
    return float(sum(one.count * abs(one.predicted - one.observed) for one in found) / len(scores))


def net_benefit(
    scores: NDArray[np.float64], truth: NDArray[np.bool_], thresholds: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Computes the net benefit of calling positive from each threshold on, per case (decision curve).

    A threshold t says that a miss costs (1 - t) / t times as much as a false alarm.

    Args:
        scores: float64 [N], probabilities of the positive event, at least one.
        truth: bool [N], whether each case is positive.
        thresholds: float64 [T], over 0 and below 1.

    Returns:
        float64 [T], in true positives per case: at most the share of positive cases, and negative where the false
        alarms outweigh the hits.

    Source: Vickers & Elkin, Med Decis Making 26:565, 2006.
    """
    called = scores[None, :] >= thresholds[:, None]
    odds = thresholds / (1.0 - thresholds)
    return ((called & truth).sum(axis=1) - odds * (called & ~truth).sum(axis=1)) / len(scores)


LOG_RANGE = (-4.0, 4.0)
"""Natural logarithms of the lowest and highest temperature tried: 0.018 to 55."""


def fit_temperature(scores: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """Finds the temperature T that minimises the negative log-likelihood of softmax(scores / T).

    Args:
        scores: Floats [N, classes] before the softmax, of images that the head was not fitted to.
        labels: [N] true classes, indices into the columns of `scores`.

    Returns:
        T > 0, within the bounds of `LOG_RANGE` (0.018 to 55): a separable set would else make all answers certain.

    Source: Guo et al., On Calibration of Modern Neural Networks, arXiv 1706.04599, section 4.2.
    """

    def loss(log_temperature: float) -> float:
        rows = log_softmax(scores / np.exp(log_temperature), axis=1)
        return float(-rows[np.arange(len(labels)), labels].mean())

    return float(np.exp(minimize_scalar(loss, bounds=LOG_RANGE, method="bounded").x))


def softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Computes class probabilities from class scores.

    Args:
        scores: float64 [N, classes], before the softmax.

    Returns:
        float64 [N, classes], 0 to 1; each row adds up to 1.
    """
    probabilities: NDArray[np.float64] = scipy_softmax(scores, axis=1)
    return probabilities
