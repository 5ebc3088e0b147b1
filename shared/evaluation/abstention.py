"""Inputs that a run would not assess because they are unlike its training images: their number, and the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from shared.evaluation.cases import DecisionRule
from shared.evaluation.decision.ood import MAX_SCORE, by_series
from shared.evaluation.evaluate import evaluate
from shared.evaluation.measure import Table, measures_in
from shared.evaluation.statistics.groups import group_codes
from shared.samples import Grouping, Sample


class AbstainingRule(DecisionRule, Protocol):
    """A decision rule that also says from where on nothing is assessed."""

    @property
    def ood(self) -> Mapping[str, Any]:
        """The `threshold` of the out-of-distribution score above which nothing is assessed."""


def abstention(
    probabilities: NDArray[np.float64],
    ood: NDArray[np.float64],
    labels: NDArray[np.int64],
    samples: Sequence[Sample],
    grouping: Grouping,
    rule: AbstainingRule,
) -> dict[str, Any]:
    """Counts the inputs (series, and images on their own) that would not be assessed, and evaluates the other images.

    The measures of `shared.evaluation.evaluate.evaluate` leave nothing out: abstention must not make a model look
    better.

    Args:
        probabilities: float64 [N, classes], 0 to 1, of images.
        ood: float64 [N], their out-of-distribution scores.
        labels: int64 [N], true classes, indices into the columns of `probabilities`.
        samples: [N] the images.
        grouping: Series, group and independent unit of each image.
        rule: How the run decides, for example its `ModelRecord`.

    Returns:
        `threshold` (of the out-of-distribution score), `inputs` (their number), `not_assessed` (number of inputs above
        the threshold), `not_assessed_positive` (number of those with a positive image; None without a positive class),
        `coverage` (share of inputs that are assessed, 0 to 1), and `assessed`: measures by key of the images that are
        left, empty where none or all are.
    """
    inputs = [sample.series_key for sample in samples]
    unlike = by_series(ood, inputs) > rule.ood["threshold"]
    owners = group_codes(inputs)
    positive = np.array(rule.positive, dtype=np.bool_)
    shows_positive = np.zeros(len(unlike), dtype=np.bool_)
    np.logical_or.at(shows_positive, owners, positive[labels])
    left = ~unlike[owners]
    return {
        "threshold": rule.ood["threshold"],
        "inputs": len(unlike),
        "not_assessed": int(unlike.sum()),
        "not_assessed_positive": int((unlike & shows_positive).sum()) if positive.any() else None,
        "coverage": float(1.0 - unlike.mean()),
        "assessed": _assessed(probabilities, labels, grouping, rule, left) if left.any() and not left.all() else {},
    }


def _assessed(
    probabilities: NDArray[np.float64],
    labels: NDArray[np.int64],
    grouping: Grouping,
    rule: DecisionRule,
    left: NDArray[np.bool_],
) -> dict[str, Any]:
    """The measures of the images that are left."""
    names = ["all"] * int(left.sum())
    found = evaluate(probabilities[left], labels[left], rule, grouping=grouping.of_those(left), domains=names)
    return {measure.key: found[measure.key] for measure in measures_in(Table.ABSTENTION) if measure.key in found}


def abstention_text(tree: Mapping[str, Any], positive_name: str | None) -> str:
    """Writes one sentence on the inputs that would not be assessed, without a full stop.

    Args:
        tree: The result of `abstention`.
        positive_name: Name of the positive event; None: the task has none.

    Returns:
        The numbers of inputs and the threshold in words; where validation was too small for a threshold, that every
        input would be assessed.
    """
    if tree["threshold"] >= MAX_SCORE:
        return "validation is too small to tell what is unlike the training images: every input would be assessed"
    text = f"{tree['not_assessed']} of {tree['inputs']} inputs are unlike the training images and would not be assessed"
    if positive_name is not None and tree["not_assessed"]:
        text += f", {tree['not_assessed_positive']} of them with a {positive_name}"
    return f"{text} (out-of-distribution score above {tree['threshold']:.3f}); the measures leave none out"
