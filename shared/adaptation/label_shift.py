"""Label shift: the class prior of an unlabelled target, estimated from a classifier's confusions on the source."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

Values = NDArray[np.float64]


def estimate_prior(probabilities: Values, labels: NDArray[np.int64], target: Values) -> Values:
    """Estimates the class prior of the target, under which the source's confusions explain the target's predictions.

    It assumes label shift: classes look the same in both domains, and only their frequencies differ.

    Args:
        probabilities: float64 [N, classes], predictions for held-out source images.
        labels: int64 [N], true classes of the source images.
        target: float64 [M, classes], predictions of the same classifier for target images.

    Returns:
        The share of each class, float64 [classes], sum 1. A class without a held-out source image gets 0: nothing is
        known of it. Where no mixture of classes explains the predictions, these are the shares of the source.

    Source: Lipton et al., arXiv 1802.03916, section 4, with probabilities in place of predicted classes, and shares
    that are not negative.
    """
    classes = probabilities.shape[1]
    confusion = np.zeros((classes, classes))  # [predicted, true]
    for label in np.unique(labels):
        confusion[:, label] = probabilities[labels == label].mean(axis=0)
    prior, _ = nnls(confusion, target.mean(axis=0))
    total = prior.sum()
    if total <= 0:  # no mixture of the source's classes gives such predictions
        return np.bincount(labels, minlength=classes) / len(labels)
    shares: Values = prior / total
    return shares
