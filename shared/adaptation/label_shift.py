"""How often each class occurs in a target without labels, from how a classifier errs on the source."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

Values = NDArray[np.float64]


def estimate_prior(probabilities: Values, labels: NDArray[np.int64], target: Values) -> Values:
    """The class prior of the target: that under which the source's confusions explain how the target is answered.

    What a class looks like must be the same in both domains; only how often it occurs may differ.

    Args:
        probabilities: [N, classes] on held-out source images.
        labels: [N] their classes.
        target: [M, classes] on target images, by the same classifier.

    Returns:
        [classes], sums to 1; of a class without a held-out source image nothing is known, and its share is 0.

    Source: Lipton et al., arXiv 1802.03916, section 4, with probabilities in place of answers and shares that are not
    negative.
    """
    classes = probabilities.shape[1]
    confusion = np.zeros((classes, classes))  # [answered, true]
    for label in np.unique(labels):
        confusion[:, label] = probabilities[labels == label].mean(axis=0)
    prior, _ = nnls(confusion, target.mean(axis=0))
    total = prior.sum()
    if total <= 0:  # no mixture of the source's classes is answered like this
        return np.bincount(labels, minlength=classes) / len(labels)
    shares: Values = prior / total
    return shares
