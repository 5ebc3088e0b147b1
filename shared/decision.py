"""From the probabilities of validation to a decision: how slices are put together, and what counts as positive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.aggregation import Aggregation, Values
from shared.aggregation_choice import choose_aggregation
from shared.operating_point import OperatingPoint, choose, measure

UNUSED_THRESHOLD = 0.5
"""Of a task without a positive class; nothing compares with it."""


@dataclass(frozen=True)
class Decision:
    """What a run decides by.

    Attributes:
        aggregation: Of slices to a series.
        point: The operating point; None where the task has no positive class.
        losses: Cross-fitted loss of each aggregation that was tried; empty where there was no choice.
    """

    aggregation: Aggregation
    point: OperatingPoint | None
    losses: dict[str, float]

    @property
    def threshold(self) -> float:
        """Positive probability from which an input is called positive."""
        return UNUSED_THRESHOLD if self.point is None else self.point.threshold


def decide(
    probabilities: Values,
    labels: NDArray[np.int64],
    groups: Sequence[str],
    positive: NDArray[np.bool_],
    *,
    target: float,
    threshold: float | None,
) -> Decision:
    """Chooses aggregation and threshold on validation, by group where a group has several images.

    Where every group is positive (each patient has a tumour), no threshold can be weighed by group: it is chosen by
    image, and what it certifies is counted by group all the same, for images of one patient are not independent.

    Args:
        probabilities: [N, classes] of validation.
        labels: [N] true classes.
        groups: [N] whose image it is.
        positive: [classes] which are the positive event.
        target: Sensitivity that the threshold shall reach.
        threshold: Used in place of one chosen for the target.

    Raises:
        DataError: Validation holds no positive sample.
    """
    if not positive.any():
        return Decision(Aggregation(), None, {})
    scores, truth = probabilities[:, positive].sum(axis=1), positive[labels]
    choice = choose_aggregation(scores, truth, groups)
    unit = "group" if len(choice.truth) < len(labels) else "sample"
    if threshold is None and choice.truth.all() and not truth.all():
        threshold = choose(scores, truth, target, "sample").threshold
    point = (
        choose(choice.scores, choice.truth, target, unit)
        if threshold is None
        else measure(choice.scores, choice.truth, threshold, target, unit)
    )
    return Decision(choice.aggregation, point, choice.losses)
