"""What a model's probabilities are worth: rates with intervals, per class and per domain.

Each measure is a small dictionary: `value`, `low` and `high` of the 95 % interval, `interval` (how that was made) and
`n`. A value that is not defined is None, with its `reason`; never NaN, never 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import DataError
from shared.evaluation.calibration import brier_score, expected_calibration_error, judged
from shared.evaluation.decision.aggregation import Aggregation
from shared.evaluation.decision.series import score_series
from shared.evaluation.ranking import ranking
from shared.evaluation.rates import (
    BOOTSTRAP,
    Flags,
    Rate,
    Units,
    Values,
    divide,
    rarest_kind,
    too_few,
    undefined,
    with_interval,
)
from shared.evaluation.statistics.intervals import Weights, bootstrap
from shared.samples import Grouping

BETA = 2.0
"""Sensitivity counts twice as much as precision: a miss is the worse mistake here."""
SMALL_CELL = 5
"""Below this many samples no rate of a domain is given: it would say nothing and might point at a person."""
SMALLEST_PROBABILITY = 1e-12
"""Where the logarithm is cut, so that one certain mistake does not make the mean infinite."""


@dataclass(frozen=True)
class UsageContext:
    """What depends on where a model is used, and not on the model.

    Attributes:
        prevalence: Of the positive event there; PPV and NPV are given for it too. None: only at that of the data.
        miss_cost: What a missed positive costs, in false alarms.
    """

    prevalence: float | None = None
    miss_cost: float = 1.0


def evaluate(
    probabilities: Values,
    labels: NDArray[np.int64],
    classes: Sequence[str],
    *,
    positive: Flags,
    belonging: Grouping,
    domains: Sequence[str],
    threshold: float,
    aggregation: Aggregation = Aggregation(),  # noqa: B008 - frozen
    stakes: UsageContext = UsageContext(),
) -> dict[str, Any]:
    """All measures of one part of the data, ready for JSON.

    Where a class is positive, two decisions are reported. At the top level stands that of the threshold: positive
    where the summed probability of the positive classes is at least `threshold`. Under `argmax` stands that of the
    likeliest class: positive where that class is a positive one. Without a positive class, an answer is accepted where
    the probability of its likeliest class is at least `threshold`.

    Args:
        probabilities: [N, classes], in 0..1.
        labels: [N] true classes.
        classes: Their names.
        positive: For each class, whether it is the positive event; none: only the multi-class measures.
        belonging: Of each sample: `by_group` judges series and counts groups, and intervals allow for units.
        domains: The domain of each sample.
        threshold: Positive probability from which a sample, or a group, is called positive; or see above.
        aggregation: Puts the samples of a series together, for `by_group`; it also acts on a single sample, as in
            prediction.
        stakes: Of the use that the model is meant for.

    Raises:
        DataError: A probability is not finite.
    """
    broken = int((~np.isfinite(probabilities)).any(axis=1).sum())
    if broken:
        raise DataError(f"{broken} of {len(labels)} images have probabilities that are not finite; the model is broken")
    predicted, every = probabilities.argmax(axis=1), np.ones(len(labels), dtype=np.bool_)
    units = belonging.units
    rate = Rate(units)
    confusion = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    result: dict[str, Any] = {
        "n": len(labels),
        "groups": len(set(belonging.groups)),
        "accuracy": rate(predicted == labels, every),
        "balanced_accuracy": _balanced_accuracy(predicted, labels, units),
        "recall": {name: rate(predicted == k, labels == k) for k, name in enumerate(classes)},
        "precision": {name: rate(labels == k, predicted == k) for k, name in enumerate(classes)},
        "confusion": confusion.tolist(),
        "brier_score": _brier(probabilities, labels, positive, units),
        "expected_calibration_error": expected_calibration_error(*judged(probabilities, labels, positive)),
        "negative_log_likelihood": _mean_log_likelihood(probabilities, labels, units),
        "threshold": threshold,
        "domains": {},
    }
    raw, truth = probabilities[:, positive].sum(axis=1), positive[labels]
    scores = aggregation.each(raw)
    called = scores >= threshold
    if positive.any():
        result |= ranking(scores, truth, units) | _calls(called, truth, rate) | _counts(called, truth)
        result |= _weighed(called, truth, units, stakes)
        if len(set(belonging.groups)) < len(labels):
            result["by_group"] = _by_group(raw, truth, belonging, threshold, aggregation, stakes)
        result["argmax"] = _calls(positive[predicted], truth, rate) | _counts(positive[predicted], truth)
    accepted = probabilities.max(axis=1) >= threshold
    if not positive.any():
        result |= _selective(accepted, predicted != labels, rate)
    for name in sorted(set(domains)):
        inside = np.asarray(domains) == name
        owners = belonging.of_those(inside)
        block = _domain(predicted[inside] == labels[inside], owners)
        if positive.any() and inside.sum() >= SMALL_CELL:
            block |= ranking(scores[inside], truth[inside], owners.units, SMALL_CELL)
            block |= _calls(called[inside], truth[inside], Rate(owners.units, SMALL_CELL))
        elif inside.sum() >= SMALL_CELL:
            wrong = (predicted != labels)[inside]
            block |= _selective(accepted[inside], wrong, Rate(owners.units, SMALL_CELL))
        result["domains"][name] = block
    return result


def _by_group(
    scores: Values,
    truth: Flags,
    belonging: Grouping,
    threshold: float,
    aggregation: Aggregation,
    stakes: UsageContext,
) -> dict[str, Any]:
    """The same measures with a group (patient) as the unit: positive where one of its samples is, called positive
    where one of its series is.
    """
    whole, positive, units = score_series(scores, truth, belonging, aggregation).by_group()
    called = whole >= threshold
    rates = _calls(called, positive, Rate(units)) | _counts(called, positive)
    rates |= _weighed(called, positive, units, stakes)
    return {"n": len(whole)} | ranking(whole, positive, units) | rates


def _calls(called: Flags, truth: Flags, rate: Rate) -> dict[str, Any]:
    """The rates of one decision; PPV and NPV hold at the prevalence that stands beside them."""
    return {
        "sensitivity": rate(called, truth),
        "specificity": rate(~called, ~truth),
        "false_negative_rate": rate(~called, truth),
        "ppv": rate(truth, called),
        "npv": rate(~truth, ~called),
        "prevalence": rate(truth, np.ones(len(truth), dtype=np.bool_)),
    }


def _selective(accepted: Flags, wrong: Flags, rate: Rate) -> dict[str, Any]:
    """How many answers are accepted, and how many of those, and of the rejected, are wrong."""
    return {
        "coverage": rate(accepted, np.ones(len(accepted), dtype=np.bool_)),
        "selective_error": rate(wrong, accepted),
        "rejected_error": rate(wrong, ~accepted),
    }


def _weighed(called: Flags, truth: Flags, units: Units, stakes: UsageContext) -> dict[str, Any]:
    """F-beta, what mistakes cost, and PPV and NPV at a stated prevalence (Bayes)."""
    cells = np.stack([called & truth, called & ~truth, ~called & truth, ~called & ~truth], axis=1).astype(np.float64)

    def measured(statistic: Callable[[Values, Values, Values, Values], Values], *kinds: Flags) -> dict[str, Any]:
        def of_draws(weights: Weights) -> Values:
            return statistic(*(weights @ cells).T)

        value = float(of_draws(np.ones((1, len(truth))))[0])
        if np.isnan(value):
            return undefined("one of the two kinds does not occur")
        rarest = rarest_kind(units, *kinds) if kinds else None
        return {"value": value, "n": len(truth)} | with_interval(bootstrap(units, of_draws, rarest=rarest), BOOTSTRAP)

    square = BETA**2
    found = {
        "f_beta": measured(lambda tp, fp, fn, _: divide((1 + square) * tp, (1 + square) * tp + square * fn + fp), truth)
        | {"beta": BETA}
    }
    found["cost"] = measured(lambda tp, fp, fn, tn: divide(stakes.miss_cost * fn + fp, tp + fp + fn + tn)) | {
        "miss_cost": stakes.miss_cost
    }
    if (prevalence := stakes.prevalence) is not None:
        ill, well = prevalence, 1.0 - prevalence

        def ppv(tp: Values, fp: Values, fn: Values, tn: Values) -> Values:
            hits, alarms = ill * divide(tp, tp + fn), well * divide(fp, tn + fp)
            return divide(hits, hits + alarms)

        def npv(tp: Values, fp: Values, fn: Values, tn: Values) -> Values:
            cleared, misses = well * divide(tn, tn + fp), ill * divide(fn, tp + fn)
            return divide(cleared, cleared + misses)

        found["ppv_at_prevalence"] = measured(ppv, truth, ~truth) | {"prevalence": prevalence}
        found["npv_at_prevalence"] = measured(npv, truth, ~truth) | {"prevalence": prevalence}
    return found


def _counts(called: Flags, truth: Flags) -> dict[str, int]:
    return {"false_negatives": int((~called & truth).sum()), "positives": int(truth.sum())}


def _domain(right: Flags, belonging: Grouping) -> dict[str, Any]:
    if len(right) < SMALL_CELL:
        return {"n": None, "reason": too_few(SMALL_CELL)}
    every = np.ones(len(right), dtype=np.bool_)
    return {"n": len(right), "groups": len(set(belonging.groups)), "accuracy": Rate(belonging.units)(right, every)}


def _balanced_accuracy(predicted: NDArray[np.int64], labels: NDArray[np.int64], units: Units) -> dict[str, Any]:
    """Mean recall over the classes that occur."""
    if not len(labels):
        return undefined("no such sample")
    members = (labels[:, None] == np.unique(labels)).astype(np.float64)
    hits = members * (predicted == labels)[:, None]

    def statistic(weights: Weights) -> Values:
        return divide(weights @ hits, weights @ members).mean(axis=1)

    value = float(statistic(np.ones((1, len(labels))))[0])
    rarest = rarest_kind(units, *(members.T > 0))
    return {"value": value, "n": len(labels)} | with_interval(bootstrap(units, statistic, rarest=rarest), BOOTSTRAP)


def _brier(probabilities: Values, labels: NDArray[np.int64], positive: Flags, units: Units) -> dict[str, Any]:
    """Of the positive event; without one, of the answer being right."""
    if not len(labels):
        return undefined("no such sample")
    scores, truth = judged(probabilities, labels, positive)
    losses = (scores - truth) ** 2
    interval = bootstrap(units, lambda weights: (weights @ losses) / weights.sum(axis=1))
    return {"value": brier_score(scores, truth), "n": len(labels)} | with_interval(interval, BOOTSTRAP)


def _mean_log_likelihood(probabilities: Values, labels: NDArray[np.int64], units: Units) -> dict[str, Any]:
    """Mean over samples, in nats."""
    if not len(labels):
        return undefined("no such sample")
    losses = -np.log(np.clip(probabilities[np.arange(len(labels)), labels], SMALLEST_PROBABILITY, 1.0))
    interval = bootstrap(units, lambda weights: (weights @ losses) / weights.sum(axis=1))
    return {"value": float(losses.mean()), "n": len(labels)} | with_interval(interval, BOOTSTRAP)
