"""Choice of the decision rule on validation: aggregation and threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.evaluation.decision.aggregation import Aggregation
from shared.evaluation.decision.fit_aggregation import choose_aggregation
from shared.evaluation.decision.operating_point import MAX_THRESHOLD, OperatingPoint, certify, choose
from shared.evaluation.decision.places import Values
from shared.evaluation.decision.selective import Rejection, choose_rejection
from shared.evaluation.statistics.intervals import Evidence
from shared.samples import Grouping

NOTHING_TO_FIND = "the default, for no class is positive"


@dataclass(frozen=True)
class Decision:
    """The decision rule of a run.

    Attributes:
        aggregation: How the slices of a series become one probability.
        chosen: The threshold with its certificate: an operating point, or a rejection where no class is positive.
        losses: Cross-fitted loss of each aggregation that was tried; empty where there was no choice.
        reason: Why this aggregation, in one sentence without a full stop.
        of_images: Threshold on the probability of a single image, where series alone chose that of `chosen`; None: it
            is the same.
    """

    aggregation: Aggregation
    chosen: OperatingPoint | Rejection
    losses: dict[str, float]
    reason: str
    of_images: float | None = None


def decide(
    probabilities: Values,
    labels: NDArray[np.int64],
    grouping: Grouping,
    positive: NDArray[np.bool_],
    *,
    target: float,
    error_rate: float,
    threshold: float | None,
    choices: int,
    group_name: str = "group",
) -> Decision:
    """Chooses aggregation and threshold on validation, by series, and certifies them by independent units.

    Where there are enough series of several slices of both kinds (`choose_aggregation`), they alone choose the
    threshold and count for the certificate; a single image is then judged by a threshold that all images chose, for
    the highest of many slices lies elsewhere than one slice. Else all images do, those of one series together. Where
    every unit is then positive (each group has a finding), a threshold cannot be chosen by unit: it is chosen by
    slice. The certificate counts units all the same, for slices of one patient are not independent.

    Positive images that `predict` leaves out (`Grouping.unjudged`) are no part of the score of their series, and count
    as missed in the certificate.

    Args:
        probabilities: float64 [N, classes], 0 to 1, of the images of validation, as
            `shared.evaluation.unjudged.silenced` gives them.
        labels: int64 [N], true classes, indices into the columns of `probabilities`.
        grouping: Series, group and independent unit of each image.
        positive: bool [classes], whether a class is the positive event.
        target: Sensitivity to reach; used where a class is positive.
        error_rate: Highest error rate among accepted answers; used where no class is positive.
        threshold: Used instead of a chosen one; None: choose.
        choices: Number of models among which the same validation data chose this one.
        group_name: What a group of images is, as in `shared.task.Task`.

    Returns:
        The decision. Without a positive class it has the default aggregation, a `Rejection` and no losses.

    Raises:
        DataError: Validation holds no positive sample, or no sample at all.
    """
    if not positive.any():
        confidence, wrong = probabilities.max(axis=1), probabilities.argmax(axis=1) != labels
        rejection = choose_rejection(
            confidence,
            wrong,
            grouping.units,
            error_rate,
            threshold=threshold,
            choices=choices,
            named=grouping.named,
            group_name=group_name,
        )
        return Decision(Aggregation(), rejection, {}, NOTHING_TO_FIND)
    scores, truth = probabilities[:, positive].sum(axis=1), positive[labels]
    choice = choose_aggregation(scores, truth, grouping, group_name=group_name)
    whole, ill = choice.judged.by_unit()
    chosen_here, of_images = False, None
    if threshold is None:
        chosen_here = bool(not ill.all() or truth.all())
        threshold = choose(whole, ill, target) if chosen_here else choose(scores, truth, target)
        of_images = choose(scores, truth, target) if choice.losses else None
    point = certify(
        choice.judged,
        threshold,
        target,
        chosen_here=chosen_here,
        choices=choices * choice.tried,
        group_name=group_name,
    )
    return Decision(choice.aggregation, point, choice.losses, choice.reason, of_images)


def undecided(positive: NDArray[np.bool_], *, target: float, error_rate: float, threshold: float | None) -> Decision:
    """Makes the decision rule of a run without validation: nothing was chosen, and nothing is certified.

    Args:
        positive: bool [classes], whether a class is the positive event.
        target: Sensitivity that was asked for; used where a class is positive.
        error_rate: Highest error rate that was asked for; used where no class is positive.
        threshold: The threshold; None: 0.5 on the positive probability, or 0, which accepts every answer.

    Returns:
        The decision, with the default aggregation and counts of 0.
    """
    if not positive.any():
        nothing = Evidence(1.0, 0.0, None)
        rejection = Rejection(threshold or 0.0, error_rate, "images", 0, 0, 0, 1, 1, nothing, None)
        return Decision(Aggregation(), rejection, {}, NOTHING_TO_FIND)
    point = OperatingPoint(threshold or MAX_THRESHOLD, target, "images", 0, 0, 0, 0, 0, 1, None, (1, 1))
    return Decision(Aggregation(), point, {}, "the default, for there was no validation")
