"""Rows of a comparison: a backbone, a strategy and a label budget, over seeds, and the mean of these seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shared.evaluation.measure import Table, measures_in
from shared.evaluation.statistics.repeats import mean_of_repeats
from shared.evaluation.verdict import finding, worst_of
from shared.experiments.comparison.mean_of_seeds import SeedMean
from shared.experiments.comparison.plan import Cell
from shared.io.atomic import read_json
from shared.runs.verdict import read_verdict


def table_row(
    cells: Sequence[Cell], finished: Mapping[Cell, Path], failures: Mapping[Cell, str], main: str
) -> dict[str, Any]:
    """Averages the finished cells of a row over seeds, and names the reasons why others failed.

    Args:
        cells: The cells of the row, one a seed.
        finished: Run folders of the cells that are finished.
        failures: Reasons of the cells that failed.
        main: Key of the main measure, by which the best row is chosen on validation.

    Returns:
        `verdict`, what the worst of its runs is fit for, in a few words; `backbone`, `strategy`, `labels_per_class`;
        `chosen_by` ("folds" or "labelled" validation; None without a limit of labels); `runs` (by seed) and `failures`
        (by seed, the reason); `measures`
        of the test (see `shared.evaluation.statistics.repeats`) and `validation`, the mean of the main measure there,
        or None; `seconds`, the mean over runs, and `peak_memory_mib`, the largest, or None.
    """
    done, budget = [finished[cell] for cell in cells if cell in finished], cells[0].config.data.budget
    reports = [read_json(run / "report.json") for run in done]
    environments = [read_json(run / "environment.json") for run in done]
    chosen_by = mean_of_repeats([measures_of(report.get("validation", {})) for report in reports]).get(main)
    seconds = [float(one["seconds"]) for one in environments]
    return {
        "verdict": _worst_verdict(done),
        "backbone": cells[0].backbone,
        "strategy": cells[0].strategy,
        "labels_per_class": cells[0].labels,
        "chosen_by": budget.validation if budget.is_limited else None,
        "runs": {str(cell.seed): finished[cell].name for cell in cells if cell in finished},
        "failures": {str(cell.seed): failures[cell] for cell in cells if cell in failures},
        "measures": mean_of_repeats([measures_of(report["test"]) for report in reports]),
        "validation": None if chosen_by is None else chosen_by["value"],
        "seconds": sum(seconds) / len(seconds) if seconds else None,
        "peak_memory_mib": max((float(one["peak_memory_mib"]) for one in environments), default=None),
    }


def mean_row(mean: SeedMean, row: Mapping[str, Any], runs: Sequence[Path], main: str) -> dict[str, Any]:
    """Makes the row of the mean of the seeds of another row, with the same keys.

    Args:
        mean: The mean.
        row: The row of its runs, as `table_row` gives it.
        runs: Their run folders.
        main: Key of the main measure.

    Returns:
        What `table_row` returns. Its `strategy` names the mean too, its `measures` have no spread, and `seconds` is the
        sum over runs, for all of them must be trained.
    """
    chosen_by = measures_of(mean.validation).get(main)
    return {
        **row,
        "verdict": finding(mean.test).headline,
        "strategy": f"{row['strategy']}, {mean.name}",
        "failures": {},
        "measures": {key: {**measure, "spread": None} for key, measure in measures_of(mean.test).items()},
        "validation": None if chosen_by is None else chosen_by["value"],
        "seconds": sum(float(read_json(run / "environment.json")["seconds"]) for run in runs),
    }


def shown_rows(tree: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Lists the rows of a comparison as they are shown: below each the mean of its seeds, where there is one.

    Args:
        tree: Result of `shared.experiments.comparison.run.run_comparison`.
    """
    return [shown for row in tree["rows"] for shown in (row, row["mean"]) if shown is not None]


def _worst_verdict(runs: Sequence[Path]) -> str:
    """The verdict on the worst of the runs of a row; "failed" where none is finished."""
    return worst_of([read_verdict(run) for run in runs]) if runs else "failed"


def measures_of(result: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Takes the measures of the table that are defined, by patient or other group where there are such, else by image.

    Args:
        result: Measures of a split, as `shared.evaluation.evaluate.evaluate` gives them.
    """
    result = {**result, **result.get("by_group", {})}
    found = {one.key: result[one.key] for one in measures_in(Table.COMPARISON) if one.key in result}
    return {key: measure for key, measure in found.items() if measure["value"] is not None}
