"""What decisions are worth where the model will be used: F-beta, cost, predictive values at a stated prevalence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from shared.evaluation.cases import Cases
from shared.evaluation.measure import Block, Measure, Table, add
from shared.evaluation.rates import Flags, Values, bootstrapped, divide
from shared.evaluation.statistics.intervals import Weights

BETA = 2.0
"""Sensitivity counts twice as much as precision: a miss is the worse mistake here."""
BLOCKS = frozenset({Block.IMAGES, Block.GROUPS})

Statistic = Callable[[Values, Values, Values, Values], Values]
"""Takes the weights of true positives, false positives, false negatives and true negatives, float64 [B] each."""


def _of_counts(cases: Cases, statistic: Statistic, *kinds: Flags) -> dict[str, Any]:
    """A statistic of the four cells of the 2 x 2 table, with its interval."""
    called, truth = cases.called, cases.truth
    cells = np.stack([called & truth, called & ~truth, ~called & truth, ~called & ~truth], axis=1).astype(np.float64)

    def of_draws(weights: Weights) -> Values:
        return statistic(*(weights @ cells).T)

    return bootstrapped(of_draws, cases.units, *kinds)


def _f_beta(cases: Cases) -> dict[str, Any]:
    square = BETA**2

    def statistic(tp: Values, fp: Values, fn: Values, _: Values) -> Values:
        return divide((1 + square) * tp, (1 + square) * tp + square * fn + fp)

    return _of_counts(cases, statistic, cases.truth) | {"beta": BETA}


def _cost(cases: Cases) -> dict[str, Any]:
    miss_cost = cases.usage.miss_cost

    def statistic(tp: Values, fp: Values, fn: Values, tn: Values) -> Values:
        return divide(miss_cost * fn + fp, tp + fp + fn + tn)

    return _of_counts(cases, statistic) | {"miss_cost": miss_cost}


def _ppv(cases: Cases) -> dict[str, Any] | None:
    """By Bayes' theorem from sensitivity and specificity."""
    if (prevalence := cases.usage.prevalence) is None:
        return None

    def statistic(tp: Values, fp: Values, fn: Values, tn: Values) -> Values:
        hits, alarms = prevalence * divide(tp, tp + fn), (1.0 - prevalence) * divide(fp, tn + fp)
        return divide(hits, hits + alarms)

    return _of_counts(cases, statistic, cases.truth, ~cases.truth) | {"prevalence": prevalence}


def _npv(cases: Cases) -> dict[str, Any] | None:
    """By Bayes' theorem from sensitivity and specificity."""
    if (prevalence := cases.usage.prevalence) is None:
        return None

    def statistic(tp: Values, fp: Values, fn: Values, tn: Values) -> Values:
        cleared, misses = (1.0 - prevalence) * divide(tn, tn + fp), prevalence * divide(fn, tp + fn)
        return divide(cleared, cleared + misses)

    return _of_counts(cases, statistic, cases.truth, ~cases.truth) | {"prevalence": prevalence}


add(
    Measure(
        "ppv_at_prevalence",
        title="PPV at the stated prevalence",
        heading="PPV at the stated prevalence",
        meaning="Share of positive cases among those called positive, where the model will be used.",
        higher_is_better=True,
        compute=_ppv,
        blocks=BLOCKS,
        tables={Table.REPORT: 90, Table.SUMMARY: 90},
    )
)
add(
    Measure(
        "npv_at_prevalence",
        title="NPV at the stated prevalence",
        heading="NPV at the stated prevalence",
        meaning="Share of negative cases among those called negative, where the model will be used.",
        higher_is_better=True,
        compute=_npv,
        blocks=BLOCKS,
        tables={Table.REPORT: 100, Table.SUMMARY: 100},
    )
)
add(
    Measure(
        "f_beta",
        title="F2",
        heading="F2",
        meaning="Weighted harmonic mean of PPV and sensitivity, in which sensitivity counts twice as much.",
        higher_is_better=True,
        compute=_f_beta,
        blocks=BLOCKS,
        tables={Table.REPORT: 110},
    )
)
add(
    Measure(
        "cost",
        title="cost an image, in false alarms",
        heading="cost an image",
        meaning="Mean cost of the mistakes, where a false alarm costs 1 and a miss what the configuration says.",
        higher_is_better=False,
        compute=_cost,
        blocks=BLOCKS,
        tables={Table.REPORT: 120, Table.SUMMARY: 120},
    )
)
