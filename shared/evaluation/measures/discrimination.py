"""How well the scores rank positive cases above negative ones, at any threshold."""

from __future__ import annotations

from typing import Any

from shared.evaluation.cases import Cases
from shared.evaluation.measure import Block, Measure, Table, add
from shared.evaluation.ranking import ONE_KIND, rank_statistics
from shared.evaluation.rates import bootstrapped, too_few, undefined


def _auc(cases: Cases) -> dict[str, Any]:
    return _ranked(cases, "auc")


def _average_precision(cases: Cases) -> dict[str, Any]:
    return _ranked(cases, "average_precision")


def _ranked(cases: Cases, name: str) -> dict[str, Any]:
    truth, fewest = cases.truth, cases.min_cases
    if min(int(truth.sum()), int((~truth).sum())) < fewest:
        return undefined(ONE_KIND if fewest == 1 else f"{too_few(fewest)} of one kind")
    return bootstrapped(rank_statistics(cases.scores, truth)[name], cases.units, truth, ~truth)


BLOCKS = frozenset({Block.IMAGES, Block.GROUPS, Block.DOMAINS})

add(
    Measure(
        "auc",
        title="AUC",
        heading="AUC",
        meaning="Chance that a positive case scores above a negative one (area under the ROC curve).",
        higher_is_better=True,
        compute=_auc,
        blocks=BLOCKS,
        tables={
            Table.REPORT: 10,
            Table.SUMMARY: 10,
            Table.DOMAINS: 20,
            Table.ABSTENTION: 20,
            Table.COMPARISON: 10,
            Table.ADAPTATION: 30,
            Table.LEAVE_OUT: 10,
        },
    )
)
add(
    Measure(
        "average_precision",
        title="average precision",
        heading="average precision",
        meaning="Mean of the precision over all sensitivities (area under the precision-recall curve).",
        higher_is_better=True,
        compute=_average_precision,
        blocks=BLOCKS,
        tables={Table.REPORT: 20},
    )
)
