"""Runs the cells of a comparison, each in a process of its own, and puts what they found into one table."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.artifacts import check_finished, is_finished, read_model_record
from shared.child import in_child
from shared.compare_published import published_lines
from shared.compare_table import table_row
from shared.compare_tests import paired_tests
from shared.comparison import Cell, Plan
from shared.errors import MedtlError, UsageError
from shared.progress import Progress
from shared.wording import caveats

if TYPE_CHECKING:
    from shared.config import Config
    from shared.task import Task

FOLDER = "compare"
"""Under the folder of runs: no cell of a comparison must be the newest run that `predict` takes."""
BY_GROUP = (
    "AUC, sensitivity and specificity (at the operating point) count patients or other groups where they are known; "
    "accuracy counts images by their likeliest class."
)
log = logging.getLogger(__name__)


def run_comparison(task: Task, plan: Plan, *, root: Path, progress: Progress) -> dict[str, Any]:
    """Trains what is not yet finished, and judges all of it.

    A cell that fails is told of and tried again by the next call; the others go on.

    Args:
        task: The application.
        plan: The comparison.
        root: Where runs lie; those of the comparison under `compare/<name>`.
        progress: Called with (what, done, total, note).

    Returns:
        `name`, `task`, `caveats` and `notes` (sentences), `main` (the measure that rows are compared by), `rows` (see
        `shared.compare_table`), and `published` (sentences).

    Raises:
        UsageError: Finished cells are of different states of the data.
    """
    folder = root / FOLDER / plan.name
    finished: dict[Cell, Path] = {}
    failures: dict[Cell, str] = {}
    for number, cell in enumerate(plan.cells):
        within = _within(progress, number, len(plan.cells), cell)
        try:
            finished[cell] = _finished(task, cell, folder / cell.folder, root, within)
        except MedtlError as error:
            failures[cell] = str(error)
            log.warning("%s failed: %s", cell.name, error)
    progress("cells", len(plan.cells), len(plan.cells), "")
    _check_data(finished)
    main = "auc" if task.positive_name is not None else "accuracy"
    rows = [
        table_row(cells, finished, failures, main, screening=task.positive_name is not None) for cells in plan.rows()
    ]
    notes = [BY_GROUP] if task.positive_name is not None else []
    notes += paired_tests(rows, plan.rows(), finished, main)
    _add_costs(task, rows, plan.rows(), finished, progress)
    synthetic = any(read_model_record(run).synthetic for run in finished.values())
    return {
        "name": plan.name,
        "task": task.name,
        "caveats": caveats(task, synthetic),
        "notes": notes,
        "main": main,
        "rows": rows,
        "published": published_lines(plan, rows),
    }


def _finished(task: Task, cell: Cell, run: Path, root: Path, progress: Progress) -> Path:
    """The run of a cell, as it lies or trained now.

    Raises:
        MedtlError: It cannot be trained, or was changed since.
    """
    if is_finished(run):
        check_finished(run)
    else:
        in_child(_train, task, cell.config, run, root, progress=progress)
    return run


def _within(progress: Progress, number: int, count: int, cell: Cell) -> Progress:
    """Progress of one cell, as a note beside that of all: a bar for each step of each cell would fill the screen."""
    progress("cells", number, count, cell.name)
    return lambda what, done, total, _: progress("cells", number, count, f"{cell.name}: {what} {done}/{total}")


def _train(task: Task, config: Config, run: Path, root: Path, progress: Progress) -> None:
    from shared.runner import run as train

    train(task, config, root=root, out=run, progress=progress)


def _check_data(finished: Mapping[Cell, Path]) -> None:
    """Finished cells are taken as they lie; between two calls the data may have changed."""
    states: dict[str, dict[str, str]] = {}
    for cell, run in finished.items():
        data = cell.config.data.model_copy(update={"labels_per_class": None}).model_dump_json()
        states.setdefault(data, {}).setdefault(read_model_record(run).data_hash, run.name)
    for runs in states.values():
        if len(runs) > 1:
            raise UsageError(
                f"the data changed between {' and '.join(runs.values())}; delete the cells of the older state, or name "
                "the comparison anew"
            )


def _add_costs(
    task: Task,
    rows: Sequence[dict[str, Any]],
    cells: Sequence[Sequence[Cell]],
    finished: Mapping[Cell, Path],
    progress: Progress,
) -> None:
    """Measures the costs of one run of each row; seeds have the same network."""
    first = [next((finished[cell] for cell in row if cell in finished), None) for row in cells]
    runs = [run for run in first if run is not None]
    found: list[dict[str, Any] | None] = [None] * len(runs)
    if runs:
        try:
            found = in_child(_measure, task, runs, progress=progress)
        except MedtlError as error:
            log.warning("no costs were measured: %s", error)
    costs = dict(zip(runs, found, strict=True))
    for row, run in zip(rows, first, strict=True):
        row["costs"] = None if run is None else costs[run]


def _measure(task: Task, runs: Sequence[Path], progress: Progress) -> list[dict[str, Any] | None]:
    from shared.costs import measure_costs

    return measure_costs(task, runs, progress)
