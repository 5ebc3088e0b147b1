"""One number that makes scores into probabilities: the temperature, fitted on validation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from scipy.special import softmax as scipy_softmax

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
