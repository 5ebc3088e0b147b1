"""Inputs that a run would not assess because they are unlike its training images: counts by class, and the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from shared.evaluation.cases import DecisionRule
from shared.evaluation.decision.ood import MAX_SCORE, by_series
from shared.evaluation.evaluate import evaluate
from shared.evaluation.inputs import first_of_each, input_classes
from shared.evaluation.measure import Table, measures_in
from shared.evaluation.rates import Rate, with_interval
from shared.evaluation.statistics.groups import group_codes
from shared.evaluation.statistics.intervals import Evidence, difference_interval
from shared.evaluation.text import MANY_CLASSES, measure_text
from shared.samples import Grouping, Sample

NEWCOMBE = "Newcombe, from the intervals of both shares"
OVER_NEGATIVES, OVER_RATE = "over negatives", "over rate"
"""Why abstention falls on the positive class: its share lies above that of the others, or above what was allowed."""


class AbstainingRule(DecisionRule, Protocol):
    """A decision rule that also says from where on nothing is assessed."""

    @property
    def classes(self) -> Sequence[str]:
        """Names of the classes, in the order of the network's outputs."""

    @property
    def ood(self) -> Mapping[str, Any]:
        """`threshold` of the out-of-distribution score above which nothing is assessed, and its `rate`."""


@dataclass(frozen=True)
class JudgedInputs:
    """M inputs (series, or images on their own), with whether each would be assessed.

    Attributes:
        unlike: bool [M], whether an input is too unlike the training images to be assessed.
        labels: int64 [M], class of each input, an index into the run's classes.
        units: [M] number of the independent unit of each input.
    """

    unlike: NDArray[np.bool_]
    labels: NDArray[np.int64]
    units: Sequence[int]

    @classmethod
    def of(
        cls,
        ood: NDArray[np.float64],
        labels: NDArray[np.int64],
        inputs: Sequence[str],
        units: Sequence[int],
        rule: AbstainingRule,
    ) -> JudgedInputs:
        """Judges the inputs that N images belong to.

        Args:
            ood: float64 [N], out-of-distribution scores of images.
            labels: int64 [N], true classes of images.
            inputs: [N] the input of each image.
            units: [N] number of the independent unit of each image.
            rule: How the run decides.
        """
        return cls(
            by_series(ood, inputs) > rule.ood["threshold"],
            input_classes(inputs, labels, np.array(rule.positive, dtype=np.bool_)),
            np.asarray(units)[first_of_each(inputs)].tolist(),
        )

    @classmethod
    def pooled(cls, parts: Sequence[JudgedInputs]) -> JudgedInputs:
        """Joins the inputs of several tests, at least one; a unit that is in several of them stays one."""
        return cls(
            np.concatenate([part.unlike for part in parts]),
            np.concatenate([part.labels for part in parts]),
            [unit for part in parts for unit in part.units],
        )


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
        The result of `count_abstention`, with `threshold` (of the out-of-distribution score) and `assessed`: measures
        by key of the images that are left, empty where none or all are.
    """
    inputs = [sample.series_key for sample in samples]
    judged = JudgedInputs.of(ood, labels, inputs, grouping.units, rule)
    left = ~judged.unlike[group_codes(inputs)]
    return {
        "threshold": rule.ood["threshold"],
        **count_abstention(judged, rule),
        "assessed": _assessed(probabilities, labels, grouping, rule, left) if left.any() and not left.all() else {},
    }


def count_abstention(judged: JudgedInputs, rule: AbstainingRule) -> dict[str, Any]:
    """Counts the inputs that would not be assessed, by class, with 95% intervals by independent unit.

    Args:
        judged: The inputs.
        rule: How the run decides.

    Returns:
        `rate` (share of inputs like those of validation that the threshold was to leave out), `inputs` (their number),
        `not_assessed` (number of them), `coverage` (share that is assessed), `classes` (by name of each class that
        occurs, its share that is not assessed, as `shared.evaluation.rates.Rate` gives it), and `by_event`, None
        without a positive class: see `_by_event`.
    """
    share = Rate(judged.units)
    classes = {
        name: share(judged.unlike, judged.labels == number)
        for number, name in enumerate(rule.classes)
        if (judged.labels == number).any()
    }
    return {
        "rate": rule.ood["rate"],
        "inputs": len(judged.unlike),
        "not_assessed": int(judged.unlike.sum()),
        "coverage": float(1.0 - judged.unlike.mean()),
        "classes": classes,
        "by_event": _by_event(judged, np.array(rule.positive, dtype=np.bool_), rule.ood["rate"]),
    }


def _by_event(judged: JudgedInputs, positive: NDArray[np.bool_], rate: float) -> dict[str, Any] | None:
    """Compares the positive inputs with the others.

    Abstention falls on the positive class where the 95% interval of the difference of both shares lies above 0, or the
    exact lower 95% bound of the positive share above the rate that was allowed. Both allow for units with several
    inputs.

    Returns:
        `positive` and `negative` (shares that are not assessed), `difference` (of the two, with its interval), `bound`
        (lower bound of the positive share) and `falls_on_positive`: `OVER_NEGATIVES`, `OVER_RATE`, or None. None as a
        whole without a positive class.
    """
    if not positive.any():
        return None
    truth, share = positive[judged.labels], Rate(judged.units)
    ours, others = share(judged.unlike, truth), share(judged.unlike, ~truth)
    difference = _difference(ours, others)
    bound = _lower_bound(judged, truth)
    falls = OVER_RATE if bound is not None and bound > rate else None
    if (difference.get("low") or 0.0) > 0.0:
        falls = OVER_NEGATIVES
    return {
        "positive": ours,
        "negative": others,
        "difference": difference,
        "bound": bound,
        "falls_on_positive": falls,
    }


def _difference(ours: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """The difference of two shares as a measure."""
    if ours["value"] is None or others["value"] is None:
        return {"value": None, "reason": "one of the two kinds does not occur"}
    known = ours["low"] is not None and others["low"] is not None
    intervals = [(one["low"], one["high"]) for one in (ours, others)]
    interval = difference_interval(ours["value"], intervals[0], others["value"], intervals[1]) if known else None
    return {"value": ours["value"] - others["value"]} | with_interval(interval, NEWCOMBE)


def _lower_bound(judged: JudgedInputs, among: NDArray[np.bool_]) -> float | None:
    """The exact lower 95% bound of the share that is not assessed; None where there is no such input."""
    if not among.any():
        return None
    codes = group_codes(np.asarray(judged.units)[among].tolist())
    kept = np.bincount(codes, ~judged.unlike[among]).astype(np.float64)
    return 1.0 - Evidence.of(kept, np.bincount(codes).astype(np.float64)).upper()


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
        The numbers of inputs, with and without the positive event, and the threshold in words; where validation was too
        small for a threshold, that every input would be assessed.
    """
    if tree["threshold"] >= MAX_SCORE:
        return "validation is too small to tell what is unlike the training images: every input would be assessed"
    counted = counts_text(tree, positive_name)
    return f"{counted} (out-of-distribution score above {tree['threshold']:.3f}); the measures leave none out"


def counts_text(tree: Mapping[str, Any], positive_name: str | None) -> str:
    """Writes how many inputs would not be assessed, with and without the positive event.

    Args:
        tree: The result of `count_abstention`.
        positive_name: Name of the positive event; None: the task has none.
    """
    text = f"{tree['not_assessed']} of {tree['inputs']} inputs are unlike the training images and would not be assessed"
    if tree["by_event"] is None or not tree["not_assessed"]:
        return text
    return f"{text}: {_both_shares(tree['by_event'], positive_name)}"


def abstention_warning(tree: Mapping[str, Any], positive_name: str | None) -> str | None:
    """Writes the warning that abstention falls on the positive class, without a full stop.

    Args:
        tree: The result of `count_abstention`.
        positive_name: Name of the positive event; None: the task has none.

    Returns:
        One sentence with both shares and their intervals, or None where abstention does not fall on it.
    """
    block = tree["by_event"]
    if block is None or block["falls_on_positive"] is None:
        return None
    shares = _both_shares(block, positive_name)
    if block["falls_on_positive"] == OVER_NEGATIVES:
        low, high = block["difference"]["low"], block["difference"]["high"]
        why = (
            f"inputs with a {positive_name} go without an assessment more often than others, by {low:.3f} to {high:.3f}"
        )
    else:
        why = (
            f"inputs with a {positive_name} go without an assessment more often than the {tree['rate']:.1%} that the "
            f"threshold was to leave out, at least {block['bound']:.3f} of them"
        )
    return f"WARNING: {why}: {shares} are not assessed. A human must look at each of them"


def abstention_rows(tree: Mapping[str, Any], display_name: Callable[[str], str]) -> list[dict[str, str]]:
    """Makes the rows of a table of abstention by class.

    Args:
        tree: The result of `count_abstention`.
        display_name: Gives the name of a class for people.

    Returns:
        Rows with `class`, `inputs`, `not_assessed` and `share` (with its 95% interval). Of more than `MANY_CLASSES`
        classes, only those of which an input is not assessed, the largest share first.
    """
    classes = list(tree["classes"].items())
    if len(classes) > MANY_CLASSES:
        classes = sorted((one for one in classes if one[1]["successes"]), key=lambda one: -one[1]["value"])
    return [
        {
            "class": display_name(name),
            "inputs": str(share["n"]),
            "not_assessed": str(share["successes"]),
            "share": measure_text(share),
        }
        for name, share in classes
    ]


def _both_shares(block: Mapping[str, Any], positive_name: str | None) -> str:
    """The positive and the other inputs that are not assessed, with the shares and their intervals."""
    ours = _share(block["positive"], f"with a {positive_name}")
    return f"{ours}, {_share(block['negative'], 'without')}"


def _share(share: Mapping[str, Any], kind: str) -> str:
    if share["value"] is None:
        return f"no input {kind} was there"
    return f"{share['successes']} of {share['n']} {kind} ({measure_text(share)})"
