"""How often the likeliest class is the true one."""

from __future__ import annotations

from typing import Any

import numpy as np

from shared.evaluation.cases import Cases
from shared.evaluation.measure import Block, Measure, Table, Tasks, add
from shared.evaluation.rates import Values, bootstrapped, divide, too_few, undefined
from shared.evaluation.statistics.intervals import Weights


def _accuracy(cases: Cases) -> dict[str, Any]:
    return cases.rate(~cases.wrong, cases.every)


def _balanced_accuracy(cases: Cases) -> dict[str, Any]:
    """Mean recall over the classes that occur."""
    if not len(cases.labels):
        return undefined(too_few(1))
    members = (cases.labels[:, None] == np.unique(cases.labels)).astype(np.float64)
    hits = members * ~cases.wrong[:, None]

    def statistic(weights: Weights) -> Values:
        return divide(weights @ hits, weights @ members).mean(axis=1)

    return bootstrapped(statistic, cases.units, *(members.T > 0))


add(
    Measure(
        "accuracy",
        title="accuracy, likeliest class",
        heading="accuracy",
        meaning="Share of images whose likeliest class is the true one.",
        higher_is_better=True,
        compute=_accuracy,
        tasks=Tasks.ALL,
        blocks=frozenset({Block.IMAGES, Block.DOMAINS}),
        tables={
            Table.REPORT: 130,
            Table.SUMMARY: 130,
            Table.DOMAINS: 10,
            Table.ABSTENTION: 10,
            Table.COMPARISON: 130,
            Table.ADAPTATION: 10,
            Table.LEAVE_OUT: 130,
            Table.CROSS_VALIDATION: 10,
        },
    )
)
add(
    Measure(
        "balanced_accuracy",
        title="balanced accuracy, likeliest class",
        heading="balanced accuracy",
        meaning="Mean over the classes of the share of their images that is recognised.",
        higher_is_better=True,
        compute=_balanced_accuracy,
        tasks=Tasks.ALL,
        tables={Table.REPORT: 140, Table.SUMMARY: 140, Table.ADAPTATION: 20},
    )
)
