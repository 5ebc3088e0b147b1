"""Right and wrong decisions of a task with a positive event: called positive or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.evaluation.cases import Cases
from shared.evaluation.measure import Block, Measure, Table, add

COUNTED = frozenset({Block.IMAGES, Block.GROUPS, Block.LIKELIEST})
RATED = frozenset(Block)


def _sensitivity(cases: Cases) -> dict[str, Any]:
    return cases.rate(cases.called, cases.truth)


def _specificity(cases: Cases) -> dict[str, Any]:
    return cases.rate(~cases.called, ~cases.truth)


def _false_negatives(cases: Cases) -> int:
    return int((~cases.called & cases.truth).sum())


def _false_negative_rate(cases: Cases) -> dict[str, Any]:
    return cases.rate(~cases.called, cases.truth)


def _ppv(cases: Cases) -> dict[str, Any]:
    return cases.rate(cases.truth, cases.called)


def _npv(cases: Cases) -> dict[str, Any]:
    return cases.rate(~cases.truth, ~cases.called)


def _prevalence(cases: Cases) -> dict[str, Any]:
    return cases.rate(cases.truth, cases.every)


def _positives(cases: Cases) -> int:
    return int(cases.truth.sum())


def _decision_accuracy(cases: Cases) -> dict[str, Any]:
    return cases.rate(cases.called == cases.truth, cases.every)


def _most_tables(report: int, rest: int, pooled: Mapping[Table, int]) -> dict[Table, int]:
    """Places of sensitivity and specificity."""
    shown = {Table.REPORT: report, Table.SUMMARY: report, Table.COMPARISON: report, Table.LEAVE_OUT: report}
    return shown | {Table.DOMAINS: rest, Table.ABSTENTION: rest, Table.ADAPTATION: rest} | dict(pooled)


add(
    Measure(
        "sensitivity",
        title="sensitivity",
        heading="sensitivity",
        meaning="Share of positive cases that are called positive.",
        higher_is_better=True,
        compute=_sensitivity,
        blocks=RATED,
        tables=_most_tables(30, 40, {}),
    )
)
add(
    Measure(
        "specificity",
        title="specificity",
        heading="specificity",
        meaning="Share of negative cases that are called negative.",
        higher_is_better=True,
        compute=_specificity,
        blocks=RATED,
        tables=_most_tables(40, 50, {Table.CROSS_VALIDATION: 40}),
    )
)
add(
    Measure(
        "false_negatives",
        title="false negatives",
        heading="false negatives",
        meaning="Number of positive cases that are called negative.",
        higher_is_better=False,
        compute=_false_negatives,
        blocks=COUNTED,
        tables={Table.REPORT: 50, Table.SUMMARY: 50},
    )
)
add(
    Measure(
        "false_negative_rate",
        title="false-negative rate",
        heading="false-negative rate",
        meaning="Share of positive cases that are called negative.",
        higher_is_better=False,
        compute=_false_negative_rate,
        blocks=RATED,
        tables={Table.REPORT: 60, Table.CROSS_VALIDATION: 30},
    )
)
add(
    Measure(
        "ppv",
        title="PPV at the prevalence of the data",
        heading="PPV",
        meaning="Share of positive cases among those called positive; it depends on the prevalence.",
        higher_is_better=True,
        compute=_ppv,
        blocks=RATED,
        tables={Table.REPORT: 70},
    )
)
add(
    Measure(
        "npv",
        title="NPV at the prevalence of the data",
        heading="NPV",
        meaning="Share of negative cases among those called negative; it depends on the prevalence.",
        higher_is_better=True,
        compute=_npv,
        blocks=RATED,
        tables={Table.REPORT: 80},
    )
)
add(
    Measure(
        "prevalence",
        title="prevalence in the data",
        heading="prevalence",
        meaning="Share of positive cases.",
        higher_is_better=None,
        compute=_prevalence,
        blocks=RATED,
    )
)
add(
    Measure(
        "positives",
        title="positive cases",
        heading="positives",
        meaning="Number of positive cases.",
        higher_is_better=None,
        compute=_positives,
        blocks=COUNTED,
    )
)
add(
    Measure(
        "decision_accuracy",
        title="accuracy, positive or not, at the operating point",
        heading="decision accuracy",
        meaning="Share of cases for which the decision, positive or not, is right; it depends on the prevalence.",
        higher_is_better=True,
        compute=_decision_accuracy,
        blocks=frozenset(),
        tables={Table.CROSS_VALIDATION: 20},
    )
)
