"""What a model's probabilities are worth: rates with intervals, per class and per domain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, confusion_matrix, roc_auc_score

from shared.intervals import bootstrap_groups, wilson

SMALL_CELL = 5
"""Domains with fewer samples are not reported apart: a rate over them says nothing and may point at a person."""


def evaluate(
    probabilities: NDArray[np.float64],
    labels: NDArray[np.int64],
    classes: Sequence[str],
    *,
    positive: NDArray[np.bool_],
    groups: Sequence[str],
    domains: Sequence[str],
    threshold: float,
) -> dict[str, Any]:
    """All measures of one split, ready for JSON; what is not defined is None with its reason.

    Args:
        probabilities: [N, classes].
        labels: [N] true classes.
        classes: Their names.
        positive: For each class, whether it is the positive event; none: only the multi-class measures.
        groups: The group (patient) of each sample; intervals resample groups where a group has several samples.
        domains: The domain of each sample.
        threshold: Positive probability from which a sample is called positive.
    """
    predicted = probabilities.argmax(axis=1)
    rate = _Rate(groups)
    everything = np.ones(len(labels), dtype=bool)
    result: dict[str, Any] = {
        "n": len(labels),
        "groups": len(set(groups)),
        "accuracy": rate(predicted == labels, everything),
        "balanced_accuracy": _balanced(predicted, labels, groups),
        "recall": {name: rate(predicted == k, labels == k) for k, name in enumerate(classes)},
        "precision": {name: rate(labels == k, predicted == k) for k, name in enumerate(classes)},
        "confusion": confusion_matrix(labels, predicted, labels=np.arange(len(classes))).tolist(),
        "negative_log_likelihood": float(
            -np.log(np.clip(probabilities[np.arange(len(labels)), labels], 1e-12, 1)).mean()
        ),
    }
    if positive.any():
        scores, truth = probabilities[:, positive].sum(axis=1), positive[labels]
        result |= _binary(scores, truth, scores >= threshold, groups)
        result["threshold"] = threshold
        result["argmax"] = _calls(positive[predicted], truth, rate)
        result["domains"] = _by_domain(scores, truth, threshold, groups, domains)
    return result


def _binary(
    scores: NDArray[np.float64], truth: NDArray[np.bool_], called: NDArray[np.bool_], groups: Sequence[str]
) -> dict[str, Any]:
    return {
        "auc": _ranking(roc_auc_score, scores, truth, groups),
        "average_precision": _ranking(average_precision_score, scores, truth, groups),
        **_calls(called, truth, _Rate(groups)),
    }


def _calls(called: NDArray[np.bool_], truth: NDArray[np.bool_], rate: _Rate) -> dict[str, Any]:
    return {
        "sensitivity": rate(called, truth),
        "specificity": rate(~called, ~truth),
        "false_negative_rate": rate(~called, truth),
        "false_negatives": int((~called & truth).sum()),
        "positives": int(truth.sum()),
        "ppv": rate(truth, called),
        "npv": rate(~truth, ~called),
        "prevalence": float(truth.mean()),
    }


class _Rate:
    """A rate with its interval: Wilson's where every sample stands for itself, else a bootstrap over groups."""

    def __init__(self, groups: Sequence[str]) -> None:
        self.groups = np.asarray(groups)

    def __call__(self, hits: NDArray[np.bool_], among: NDArray[np.bool_]) -> dict[str, Any]:
        trials, successes = int(among.sum()), int((hits & among).sum())
        if trials == 0:
            return {"value": None, "reason": "no such sample"}
        inside, outcome = self.groups[among], hits[among]
        if len(set(inside.tolist())) == trials:
            interval: tuple[float, float] | None = wilson(successes, trials)
        elif successes in (0, trials):
            # every resample would give the same rate: count groups as trials, the least that the data can say
            count = len(set(inside.tolist()))
            interval = wilson(count if successes else 0, count)
        else:
            interval = bootstrap_groups(inside.tolist(), lambda drawn: float(outcome[drawn].mean()))
        return {"value": successes / trials, **_bounds(interval), "successes": successes, "n": trials}


def _bounds(interval: tuple[float, float] | None) -> dict[str, float | None]:
    low, high = interval or (None, None)
    return {"low": low, "high": high}


def _ranking(
    measure: Callable[..., float], scores: NDArray[np.float64], truth: NDArray[np.bool_], groups: Sequence[str]
) -> dict[str, Any]:
    if truth.all() or not truth.any():
        return {"value": None, "reason": "only one of the two kinds occurs"}

    def statistic(drawn: NDArray[np.int64]) -> float | None:
        kinds = truth[drawn]
        return None if kinds.all() or not kinds.any() else float(measure(kinds, scores[drawn]))

    return {"value": float(measure(truth, scores)), **_bounds(bootstrap_groups(groups, statistic)), "n": len(truth)}


def _balanced(predicted: NDArray[np.int64], labels: NDArray[np.int64], groups: Sequence[str]) -> dict[str, Any]:
    present = np.unique(labels)

    def statistic(drawn: NDArray[np.int64]) -> float | None:
        hits, truth = (predicted == labels)[drawn], labels[drawn]
        if len(np.unique(truth)) < len(present):
            return None
        return float(np.mean([hits[truth == k].mean() for k in present]))

    value = statistic(np.arange(len(labels)))
    return {"value": value, **_bounds(bootstrap_groups(groups, statistic)), "n": len(labels)}


def _by_domain(
    scores: NDArray[np.float64],
    truth: NDArray[np.bool_],
    threshold: float,
    groups: Sequence[str],
    domains: Sequence[str],
) -> dict[str, Any]:
    names, owners = np.asarray(domains), np.asarray(groups)
    result: dict[str, Any] = {}
    for name in sorted(set(domains)):
        inside = names == name
        if inside.sum() < SMALL_CELL:
            result[name] = {"n": None, "reason": f"fewer than {SMALL_CELL} samples"}
            continue
        block = _binary(scores[inside], truth[inside], scores[inside] >= threshold, owners[inside].tolist())
        result[name] = {"n": int(inside.sum()), **block}
    return result
