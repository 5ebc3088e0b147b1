"""Runs the cells of a comparison, each in a process of its own, and puts what they found into one table."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.errors import MedtlError
from shared.evaluation.text import disclaimers
from shared.experiments.comparison.plan import Cell, Plan
from shared.experiments.comparison.preflight import (
    check_one_state,
    check_unchanged,
    finished_cells,
    without_data,
    without_weights,
)
from shared.experiments.comparison.report import published_lines
from shared.experiments.comparison.significance import paired_tests
from shared.experiments.comparison.table import table_row
from shared.processes.jobs import SerialExecutor, Workers, WorkItem
from shared.processes.worker import run_in_subprocess
from shared.progress import Progress
from shared.runs.folder import is_finished
from shared.runs.record import read_model_record

if TYPE_CHECKING:
    from shared.config.schema import Config
    from shared.task import Task

FOLDER = "compare"
"""Under the folder of runs: no cell of a comparison must be the newest run that `predict` takes."""
BY_GROUP = (
    "AUC, sensitivity and specificity (at the operating point) count patients or other groups where they are known; "
    "accuracy counts images by their likeliest class."
)
log = logging.getLogger(__name__)


def run_comparison(
    task: Task, plan: Plan, *, root: Path, progress: Progress, workers: Workers | None = None
) -> dict[str, Any]:
    """Trains what is not yet finished, and judges all of it.

    A cell that fails is told of and tried again by the next call; the others go on.

    Args:
        task: The application.
        plan: The comparison.
        root: Where runs lie; those of the comparison under `compare/<name>`.
        progress: Called with (what, done, total, note).
        workers: Where cells are trained; None: here, one after another. Costs are always measured here.

    Returns:
        `name`, `task`, `disclaimers` and `notes` (sentences), `main` (the measure that rows are compared by), `rows`
        (see `shared.experiments.comparison.table`), and `published` (sentences).

    Raises:
        UsageError: Finished cells are of another state of the data than the rest, or than the data are in now.
    """
    folder = root / FOLDER / plan.name
    finished, failures = finished_cells(plan, folder)
    check_unchanged(task, finished, root, progress)
    unfinished = [cell for cell in plan.cells if cell not in finished and cell not in failures]
    failures |= without_data(unfinished)
    failures |= without_weights([cell for cell in unfinished if cell not in failures], fetch=workers is None)
    workers = workers or SerialExecutor()
    todo = [cell for cell in plan.cells if cell not in finished and cell not in failures]
    items = [_errand(task, cell, folder / cell.folder, root) for cell in todo]
    started = len(plan.cells) - len(todo)
    within = _within(progress, started, len(plan.cells))
    for place, result in workers.run(items, within):
        cell, run = todo[place], folder / todo[place].folder
        if isinstance(result, MedtlError):
            failures[cell] = str(result)
            log.warning("%s failed: %s", cell.name, result)
        elif is_finished(run):
            finished[cell] = run
        else:
            failures[cell] = f"it was trained, but {run} is not finished here: the cluster needs one shared file system"
    progress("cells", len(plan.cells), len(plan.cells), "")
    check_one_state(finished)
    main = "auc" if task.positive_name is not None else "accuracy"
    rows = [table_row(cells, finished, failures, main) for cells in plan.rows()]
    notes = [BY_GROUP] if task.positive_name is not None else []
    notes += paired_tests(rows, plan.rows(), finished, main)
    _add_costs(task, rows, plan.rows(), finished, progress)
    synthetic = any(read_model_record(run).synthetic for run in finished.values())
    return {
        "name": plan.name,
        "task": task.name,
        "disclaimers": disclaimers(task, synthetic),
        "notes": notes,
        "main": main,
        "rows": rows,
        "published": published_lines(plan, rows),
    }


def _errand(task: Task, cell: Cell, run: Path, root: Path) -> WorkItem:
    return WorkItem(cell.name, _train, (task, cell.config, run, root), gpu=cell.config.device != "cpu")


def _within(progress: Progress, started: int, count: int) -> Progress:
    """Progress of the items left, as that of all cells: a bar for each step of each cell would fill the screen."""
    return lambda _what, done, _total, note: progress("cells", started + done, count, note)


def _train(task: Task, config: Config, run: Path, root: Path, progress: Progress) -> None:
    from shared.pipeline.train import run as train

    train(task, config, root=root, out=run, progress=progress)


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
            found = run_in_subprocess(_measure, task, runs, progress=progress)
        except MedtlError as error:
            log.warning("no costs were measured: %s", error)
    costs = dict(zip(runs, found, strict=True))
    for row, run in zip(rows, first, strict=True):
        row["costs"] = None if run is None else costs[run]


def _measure(task: Task, runs: Sequence[Path], progress: Progress) -> list[dict[str, Any] | None]:
    from shared.experiments.comparison.costs import measure_costs

    return measure_costs(task, runs, progress)
