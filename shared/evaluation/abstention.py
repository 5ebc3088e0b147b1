"""What a run would not assess because it is unlike its training images: how much, how many positives, and the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from shared.evaluation.decision.aggregation import Aggregation
from shared.evaluation.decision.ood import HIGHEST, by_series
from shared.evaluation.measures import evaluate
from shared.evaluation.statistics.intervals import group_codes
from shared.samples import Grouping, Sample

RATES = ("accuracy", "auc", "sensitivity", "specificity")


class DecisionRule(Protocol):
    """How probabilities become answers: what of a model's record decides."""

    @property
    def classes(self) -> Sequence[str]:
        """Names in the order of the network's outputs."""

    @property
    def positive(self) -> Sequence[bool]:
        """For each class, whether it is the event that must not be missed."""

    @property
    def threshold(self) -> float:
        """Probability from which an input is positive, or an answer accepted."""

    @property
    def aggregation(self) -> Aggregation:
        """How the slices of a series become one probability."""

    @property
    def ood(self) -> Mapping[str, Any]:
        """The `threshold` of the out-of-distribution score above which nothing is assessed."""


def abstention(
    probabilities: NDArray[np.float64],
    ood: NDArray[np.float64],
    labels: NDArray[np.int64],
    samples: Sequence[Sample],
    belonging: Grouping,
    rule: DecisionRule,
) -> dict[str, Any]:
    """Counts the inputs (series, and images on their own) above the threshold, and judges the images of the others.

    The measures of `shared.evaluation.measures.evaluate` leave nothing out: abstention must not make a model look
    better.

    Args:
        probabilities: [N, classes] of images.
        ood: [N] their out-of-distribution scores.
        labels: [N] true classes, indices into the columns of `probabilities`.
        samples: The images.
        belonging: Of each of them.
        rule: How the run decides, for example its `ModelRecord`.

    Returns:
        `threshold`, `inputs`, `not_assessed`, `not_assessed_positive` (None without a positive class), `coverage`, and
        `assessed`: the rates of the images that are left, empty where none or all are.
    """
    inputs = [sample.series_key for sample in samples]
    beyond = by_series(ood, inputs) > rule.ood["threshold"]
    owners = group_codes(inputs)
    out = beyond[owners]
    positive = np.array(rule.positive)
    ill = np.zeros(len(beyond), dtype=np.bool_)
    np.logical_or.at(ill, owners, positive[labels])
    tree: dict[str, Any] = {
        "threshold": rule.ood["threshold"],
        "inputs": len(beyond),
        "not_assessed": int(beyond.sum()),
        "not_assessed_positive": int((beyond & ill).sum()) if positive.any() else None,
        "coverage": float(1.0 - beyond.mean()),
        "assessed": {},
    }
    if out.any() and not out.all():
        rest = evaluate(
            probabilities[~out],
            labels[~out],
            rule.classes,
            positive=positive,
            belonging=belonging.of_those(~out),
            domains=["all"] * int((~out).sum()),
            threshold=rule.threshold,
            aggregation=rule.aggregation,
        )
        tree["assessed"] = {name: rest[name] for name in RATES if name in rest}
    return tree


def abstention_in_words(tree: dict[str, Any], positive_name: str | None) -> str:
    """One sentence for a person."""
    if tree["threshold"] >= HIGHEST:
        return "validation is too small to tell what is unlike the training images: every input would be assessed"
    said = f"{tree['not_assessed']} of {tree['inputs']} inputs are unlike the training images and would not be assessed"
    if positive_name is not None and tree["not_assessed"]:
        said += f", {tree['not_assessed_positive']} of them with a {positive_name}"
    return f"{said} (out-of-distribution score above {tree['threshold']:.3f}); the measures leave none out"
