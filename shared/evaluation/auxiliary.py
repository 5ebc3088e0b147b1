"""Accuracy of auxiliary tasks, which a network learns together with the classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.evaluation.rates import Rate
from shared.samples import Grouping


def evaluate_auxiliary(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], grouping: Grouping
) -> dict[str, Any]:
    """Computes the accuracy over the labelled samples, with its interval, and counts those without a label.

    Args:
        probabilities: float64 [N, answers], 0 to 1.
        labels: int64 [N], true answers, indices into the columns of `probabilities`; -1 where a sample has no label.
        grouping: Series, group and independent unit of each sample.

    Returns:
        `accuracy`, a dictionary with `value`, `n`, and `low`, `high` and `interval` of the 95% interval, or with
        `value` None and a `reason` where no sample has a label; and `unlabelled`, the number of samples without one.
    """
    labelled = labels >= 0
    right = probabilities.argmax(axis=1) == labels
    return {"accuracy": Rate(grouping.units)(right, labelled), "unlabelled": int((~labelled).sum())}
