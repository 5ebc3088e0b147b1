"""The verdict on a comparison: which setting did best, and how sure that is, before the table of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.evaluation.text import column_heading, measure_text
from shared.experiments.comparison.plan import budget_in_words

LEVEL = 0.05
"""Level of the tests against the best, after Holm's correction."""


def comparison_verdict(tree: Mapping[str, Any]) -> list[str]:
    """Writes the verdict on a comparison: a line for each label budget, the largest first, and one on failed runs.

    Args:
        tree: Result of `shared.experiments.comparison.run.run_comparison`.

    Returns:
        Lines without a full stop; the first begins with "verdict".
    """
    rows = tree["rows"]
    budgets = sorted({row["labels_per_class"] for row in rows}, key=lambda one: -(one or float("inf")))
    lines = []
    for budget in budgets:
        of_budget = [row for row in rows if row["labels_per_class"] == budget]
        best = next((row for row in of_budget if row["best"]), None)
        if best is not None:
            lines.append(_of_budget(best, [row for row in of_budget if row is not best], tree["main"]))
    failed = sum(len(row["failures"]) for row in rows)
    if failed:
        lines.append(f"{failed} of {failed + sum(len(row['runs']) for row in rows)} runs failed")
    first, *others = lines or ["no setting could be chosen"]
    return [f"verdict: {first}", *others]


def _of_budget(best: Mapping[str, Any], others: Sequence[Mapping[str, Any]], main: str) -> str:
    """The best of one label budget by validation, what it reaches on the test, and what the others are beside it."""
    reached = "not defined on the test"
    if main in best["measures"]:
        reached = f"{column_heading(main)} {measure_text(best['measures'][main])} on the test"
    budget = budget_in_words(best["labels_per_class"])
    chosen = f"{best['backbone']} x {best['strategy']} is best by validation with {budget}"
    return f"{chosen}: {reached}, {best['verdict']}{_beside(others)}"


def _beside(others: Sequence[Mapping[str, Any]]) -> str:
    """How many of the others are surely worse or better on the test; nothing where none was compared."""
    tested = [row["against_best"] for row in others if row["against_best"] is not None]
    if not tested:
        return ""
    sure = [one for one in tested if one["p_holm"] < LEVEL]
    worse = sum(one["difference"] < 0 for one in sure)
    better = len(sure) - worse
    parts = [f"{worse} surely worse"] * (worse > 0) + [f"{better} surely better"] * (better > 0)
    parts += [f"{len(tested) - len(sure)} not to be told from it"] * (len(sure) < len(tested))
    return f"; of {len(tested)} other{'s' * (len(tested) > 1)} on the same images {', '.join(parts)}"
