"""Accuracy of auxiliary tasks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.evaluation.rates import Rate
from shared.samples import Grouping


def evaluate_auxiliary(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], belonging: Grouping
) -> dict[str, Any]:
    """Accuracy over the labelled samples, with its interval, and how many are not labelled.

    Args:
        probabilities: [N, answers].
        labels: int64 [N], -1 where missing.
        belonging: Of each sample.
    """
    known = labels >= 0
    right = probabilities.argmax(axis=1) == labels
    return {"accuracy": Rate(belonging.units)(right, known), "unlabelled": int((~known).sum())}
