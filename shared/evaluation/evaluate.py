"""All measures of one part of the data: as a whole, by patient, by class and by domain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import DataError
from shared.evaluation.cases import Cases, DecisionRule, UsageContext, group_cases, image_cases
from shared.evaluation.measure import Block, compute
from shared.evaluation.rates import Values, too_few
from shared.samples import Grouping

MIN_DOMAIN = 5
"""Number of images below which no rate of a domain is given: it would say nothing and might point at a person."""


def evaluate(
    probabilities: Values,
    labels: NDArray[np.int64],
    rule: DecisionRule,
    *,
    grouping: Grouping,
    domains: Sequence[str],
    usage: UsageContext = UsageContext(),  # noqa: B008 - frozen
) -> dict[str, Any]:
    """Computes all measures of one part of the data, ready for JSON.

    Each measure is a small dictionary: `value`, `low` and `high` of the 95% interval, `interval` (how that was made)
    and `n`. A value that is not defined is None, with its `reason`; never NaN, never 0.

    Where a class is positive, two decisions are reported. At the top level stands that of the threshold: positive
    where the summed probability of the positive classes is at least the threshold. Under `argmax` stands that of the
    likeliest class: positive where that class is a positive one. Without a positive class, an answer is accepted where
    the probability of its likeliest class is at least the threshold.

    Args:
        probabilities: float64 [N, classes], 0 to 1, of images.
        labels: int64 [N], true classes, indices into the columns of `probabilities`.
        rule: Classes, which of them are positive, threshold and aggregation. The aggregation puts the images of a
            series together for `by_group`; it also acts on a single image, as in prediction.
        grouping: Series, group and independent unit of each image; intervals allow for units.
        domains: [N] name of the domain of each image.
        usage: Prevalence and costs where the model will be used.

    Returns:
        `n` (number of images), `groups` (number of groups), the measures of `shared.evaluation.measures` by key,
        `recall` and `precision` of each class, `confusion` (rows: truth), `threshold`, and blocks of measures:
        `domains` by name and, where a class is positive, `argmax` and `by_group` (only where a group holds several
        images). The block of a domain of fewer than `MIN_DOMAIN` images has only `n`, None, and a `reason`.

    Raises:
        DataError: A probability is not finite.
    """
    broken = int((~np.isfinite(probabilities)).any(axis=1).sum())
    if broken:
        raise DataError(f"{broken} of {len(labels)} images have probabilities that are not finite; the model is broken")
    cases = image_cases(probabilities, labels, rule, grouping.units, usage)
    groups = len(set(grouping.groups))
    result = {"n": len(labels), "groups": groups} | compute(Block.IMAGES, cases) | _by_class(cases, rule.classes)
    result["threshold"] = rule.threshold
    if cases.screening and groups < len(labels):
        patients = group_cases(probabilities, labels, rule, grouping, usage)
        result["by_group"] = {"n": len(patients.labels)} | compute(Block.GROUPS, patients)
    if cases.screening:
        result["argmax"] = compute(Block.LIKELIEST, cases.by_likeliest_class())
    names = np.asarray(domains)
    result["domains"] = {name: _domain(cases, names == name, grouping) for name in sorted(set(domains))}
    return result


def _by_class(cases: Cases, classes: Sequence[str]) -> dict[str, Any]:
    """Recall and precision of each class, and the confusion matrix."""
    predicted, labels, rate = cases.predicted, cases.labels, cases.rate
    confusion = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    return {
        "recall": {name: rate(predicted == k, labels == k) for k, name in enumerate(classes)},
        "precision": {name: rate(labels == k, predicted == k) for k, name in enumerate(classes)},
        "confusion": confusion.tolist(),
    }


def _domain(cases: Cases, inside: NDArray[np.bool_], grouping: Grouping) -> dict[str, Any]:
    """The measures of one domain; of a small one only that it is small."""
    count = int(inside.sum())
    if count < MIN_DOMAIN:
        return {"n": None, "reason": too_few(MIN_DOMAIN)}
    groups = len(set(grouping.of_those(inside).groups))
    return {"n": count, "groups": groups} | compute(Block.DOMAINS, cases.where(inside, MIN_DOMAIN))
