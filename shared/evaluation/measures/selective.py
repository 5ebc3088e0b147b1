"""Accepted and rejected answers of a task without a positive event."""

from __future__ import annotations

from typing import Any

from shared.evaluation.cases import Cases
from shared.evaluation.measure import Block, Measure, Table, Tasks, add

BLOCKS = frozenset({Block.IMAGES, Block.DOMAINS})


def _coverage(cases: Cases) -> dict[str, Any]:
    return cases.rate(cases.called, cases.every)


def _selective_error(cases: Cases) -> dict[str, Any]:
    return cases.rate(cases.wrong, cases.called)


def _rejected_error(cases: Cases) -> dict[str, Any]:
    return cases.rate(cases.wrong, ~cases.called)


add(
    Measure(
        "coverage",
        title="accepted at the threshold (coverage)",
        heading="coverage",
        meaning="Share of answers whose likeliest class has at least the probability of the threshold.",
        higher_is_better=True,
        compute=_coverage,
        tasks=Tasks.CLASSES,
        blocks=BLOCKS,
        tables={Table.REPORT: 150, Table.SUMMARY: 150, Table.DOMAINS: 60},
    )
)
add(
    Measure(
        "selective_error",
        title="error among accepted answers",
        heading="error among accepted",
        meaning="Share of accepted answers that are wrong (selective risk).",
        higher_is_better=False,
        compute=_selective_error,
        tasks=Tasks.CLASSES,
        blocks=BLOCKS,
        tables={Table.REPORT: 160, Table.SUMMARY: 160, Table.DOMAINS: 70},
    )
)
add(
    Measure(
        "rejected_error",
        title="error among rejected answers",
        heading="error among rejected",
        meaning="Share of rejected answers that are wrong.",
        higher_is_better=None,
        compute=_rejected_error,
        tasks=Tasks.CLASSES,
        blocks=BLOCKS,
        tables={Table.REPORT: 170},
    )
)
