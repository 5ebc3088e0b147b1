"""How a checkpoint is chosen, as named rules over validation; none looks at the test set or at target labels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from shared.registry import Registry

Rule = Callable[[NDArray[np.float64], NDArray[np.int64]], float]
"""(probabilities [N, classes], labels [N]) of the validation set -> score, higher is better."""

RULES: Registry[Rule] = Registry("selection rule")


def negative_log_likelihood(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Minus the mean negative log-likelihood: smooth, so it separates checkpoints that a rate calls equal."""
    chosen = probabilities[np.arange(len(labels)), labels]
    return float(np.log(np.clip(chosen, 1e-12, 1.0)).mean())


def balanced_accuracy(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Mean recall over the classes that occur."""
    hits = probabilities.argmax(axis=1) == labels
    return float(np.mean([hits[labels == label].mean() for label in np.unique(labels)]))


RULES.add("loss", negative_log_likelihood)
RULES.add("balanced_accuracy", balanced_accuracy)
