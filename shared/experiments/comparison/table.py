"""One row of a comparison: a backbone, a strategy and a label budget, over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shared.evaluation.statistics.repeats import mean_of_repeats
from shared.experiments.comparison.plan import Cell
from shared.io.atomic import read_json

SCREENING = ("auc", "sensitivity", "specificity")
"""Measures of a task with a positive class; by patient or other group where the run knows them."""


def table_row(
    cells: Sequence[Cell], finished: Mapping[Cell, Path], failures: Mapping[Cell, str], main: str, *, screening: bool
) -> dict[str, Any]:
    """What the finished cells of a row say together, and why the others failed.

    Returns:
        `backbone`, `strategy`, `labels_per_class`; `runs` (by seed) and `failures` (by seed, the reason); `measures`
        of the test (see `shared.evaluation.statistics.repeats`) and `validation`, the mean of the main measure there,
        or None; `seconds`, the mean of the runs', and `peak_memory_mib`, the largest, or None.
    """
    done = [finished[cell] for cell in cells if cell in finished]
    reports = [read_json(run / "report.json") for run in done]
    environments = [read_json(run / "environment.json") for run in done]
    tests = [_measures(report["test"], screening=screening) for report in reports]
    validations = [_measures(report["validation"], screening=screening) for report in reports]
    chosen_by = mean_of_repeats(validations).get(main)
    seconds = [float(one["seconds"]) for one in environments]
    return {
        "backbone": cells[0].backbone,
        "strategy": cells[0].strategy,
        "labels_per_class": cells[0].labels,
        "runs": {str(cell.seed): finished[cell].name for cell in cells if cell in finished},
        "failures": {str(cell.seed): failures[cell] for cell in cells if cell in failures},
        "measures": mean_of_repeats(tests),
        "validation": None if chosen_by is None else chosen_by["value"],
        "seconds": sum(seconds) / len(seconds) if seconds else None,
        "peak_memory_mib": max((float(one["peak_memory_mib"]) for one in environments), default=None),
    }


def _measures(result: Mapping[str, Any], *, screening: bool) -> dict[str, Mapping[str, Any]]:
    """The measures that a table has; what is not defined on these cases is left out."""
    whole = result.get("by_group", result)
    found = {name: whole[name] for name in SCREENING} if screening else {}
    found["accuracy"] = result["accuracy"]
    return {name: measure for name, measure in found.items() if measure["value"] is not None}
