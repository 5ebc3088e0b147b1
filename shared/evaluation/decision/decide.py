"""From the probabilities of validation to a decision: how slices are put together, and what counts as
positive; without a positive class, from where an answer is accepted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.evaluation.decision.aggregation import Aggregation, Values
from shared.evaluation.decision.fit_aggregation import choose_aggregation
from shared.evaluation.decision.operating_point import OperatingPoint, certify, choose
from shared.evaluation.decision.selective import Rejection, choose_rejection
from shared.samples import Grouping


@dataclass(frozen=True)
class Decision:
    """What a run decides by.

    Attributes:
        aggregation: Of slices to a series.
        chosen: The threshold: an operating point, or a rejection where the task has no positive class.
        losses: Cross-fitted loss of each aggregation that was tried; empty where there was no choice.
    """

    aggregation: Aggregation
    chosen: OperatingPoint | Rejection
    losses: dict[str, float]


def decide(
    probabilities: Values,
    labels: NDArray[np.int64],
    belonging: Grouping,
    positive: NDArray[np.bool_],
    *,
    target: float,
    error_rate: float,
    threshold: float | None,
    choices: int,
) -> Decision:
    """Chooses aggregation and threshold on validation: by series, and counted by what is independent of the rest.

    Where every unit is positive (each patient has a tumour), no threshold can be weighed by unit: it is chosen by
    slice, and what it certifies is counted by unit all the same, for slices of one patient are not independent.

    Args:
        probabilities: [N, classes] of validation.
        labels: [N] true classes.
        belonging: Of each sample.
        positive: [classes] which are the positive event.
        target: Sensitivity that the threshold shall reach.
        error_rate: Which it shall keep to among accepted answers; used where no class is positive.
        threshold: Used in place of one chosen for either.
        choices: Models among which the same validation data chose this one.

    Raises:
        DataError: Validation holds no positive sample, or no sample at all.
    """
    if not positive.any():
        confidence, wrong = probabilities.max(axis=1), probabilities.argmax(axis=1) != labels
        rejection = choose_rejection(
            confidence, wrong, belonging.units, error_rate, threshold=threshold, choices=choices
        )
        return Decision(Aggregation(), rejection, {})
    scores, truth = probabilities[:, positive].sum(axis=1), positive[labels]
    choice = choose_aggregation(scores, truth, belonging)
    whole, ill = choice.judged.by_unit()
    chosen_here = False
    if threshold is None:
        chosen_here = bool(not ill.all() or truth.all())
        threshold = choose(whole, ill, target) if chosen_here else choose(scores, truth, target)
    point = certify(choice.judged, threshold, target, chosen_here=chosen_here, choices=choices * choice.tried)
    return Decision(choice.aggregation, point, choice.losses)
