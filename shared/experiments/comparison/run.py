"""Running a comparison: trains its cells in a few processes, and collects their results in one table."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.errors import MedtlError
from shared.evaluation.text import disclaimers
from shared.experiments.comparison.certificates import certificate_lines
from shared.experiments.comparison.mean_of_seeds import SeedMean, mean_of_seeds
from shared.experiments.comparison.plan import Cell, Plan
from shared.experiments.comparison.pretraining import pretraining_lines
from shared.experiments.comparison.report import published_lines
from shared.experiments.comparison.significance import against_best_run, paired_tests
from shared.experiments.comparison.state import (
    cells_without_data,
    cells_without_labels,
    cells_without_weights,
    check_one_state,
    check_unchanged,
    finished_cells,
)
from shared.experiments.comparison.table import mean_row, table_row
from shared.io.writes import make_folder
from shared.processes.jobs import WarmProcesses, Workers, WorkItem
from shared.progress import Progress
from shared.runs.folder import is_finished
from shared.runs.record import read_model_record

if TYPE_CHECKING:
    from shared.config.schema import Config
    from shared.task import Task

FOLDER = "compare"
"""Folder of comparisons below that of runs: a cell is none of the runs that `models` lists."""
BY_GROUP = (
    "AUC, sensitivity and specificity (at the operating point) count groups of images where they are known; "
    "accuracy counts images by their likeliest class."
)
OF_MEANS = (
    "A mean of seeds averages the answers of the runs in the row above it, as `ensemble` does, and has a threshold of "
    "its own; it is compared with the best of these runs by validation, on the test images of all, and is no candidate "
    "for best. Its seconds and the costs of an answer are those of its runs together, added up and not measured."
)
log = logging.getLogger(__name__)


def run_comparison(
    task: Task, plan: Plan, *, root: Path, progress: Progress, workers: Workers | None = None, keep: bool = False
) -> dict[str, Any]:
    """Trains the cells that are not finished, and compares the results of all.

    A cell that fails is reported, the others go on, and the next call tries it again.

    Args:
        task: The application.
        plan: The comparison.
        root: Folder of runs; the cells' runs are in `compare/<name>` under it.
        progress: Called with (what, done, total, note).
        workers: Trains the cells; None: processes of this machine, which share what they have read. Costs are always
            measured here.
        keep: Whether each cell leaves a whole run, which answers inputs and has a report; a finished one that is not
            whole is trained again. Else a cell leaves its numbers and weights.

    Returns:
        Plain data: `name`, `task`, `disclaimers` and `notes` (sentences), `main` (the measure that rows are compared
        by), `rows` (see `shared.experiments.comparison.table`; each has its `mean`, a row of the mean of its seeds or
        None), and `published` (sentences).

    Raises:
        UsageError: The data changed since a cell was trained, or between two cells.
        ConfigError: The data have folders or labels of which the configuration does not say what they are.
    """
    folder = root / FOLDER / plan.name
    finished, failures = finished_cells(plan, folder, keep=keep)
    with WarmProcesses() as here:
        check_unchanged(task, finished, root, here, progress)
        unfinished = [cell for cell in plan.cells if cell not in finished and cell not in failures]
        failures |= cells_without_data(task, unfinished)
        failures |= cells_without_labels(
            task, [cell for cell in unfinished if cell not in failures], root, here, progress
        )
        make_folder(folder)
        failures |= cells_without_weights([cell for cell in unfinished if cell not in failures], fetch=workers is None)
        _train_cells(task, plan, root, finished, failures, workers or here, progress, keep=keep)
        check_one_state(finished)
        return _results(task, plan, finished, failures, here, progress)


def _train_cells(
    task: Task,
    plan: Plan,
    root: Path,
    finished: dict[Cell, Path],
    failures: dict[Cell, str],
    workers: Workers,
    progress: Progress,
    *,
    keep: bool,
) -> None:
    """Trains the cells that are neither finished nor failed, and adds each to either."""
    folder = root / FOLDER / plan.name
    todo = [cell for cell in plan.cells if cell not in finished and cell not in failures]
    items = [
        WorkItem(
            cell.name,
            _train,
            (task, cell.config, folder / cell.folder, root, keep),
            gpu=cell.config.device != "cpu",
            line=f"{cell.config.backbone.name} {cell.config.backbone.weights}",  # they share features
        )
        for cell in todo
    ]
    within = _progress_over_all(progress, len(plan.cells) - len(todo), len(plan.cells))
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


def _results(
    task: Task,
    plan: Plan,
    finished: Mapping[Cell, Path],
    failures: Mapping[Cell, str],
    here: WarmProcesses,
    progress: Progress,
) -> dict[str, Any]:
    """The table of all rows with paired tests, costs and published results, as plain data."""
    main = "auc" if task.positive_name is not None else "accuracy"
    rows = [table_row(cells, finished, failures, main) for cells in plan.rows()]
    means, reasons = _add_means(task, rows, plan.rows(), finished, main)
    notes = [BY_GROUP] if task.positive_name is not None else []
    notes += [OF_MEANS] if any(means) else []
    notes += reasons
    notes += dict.fromkeys(words for cell in plan.cells for words in cell.config.data.statements)
    notes += paired_tests(rows, plan.rows(), finished, main)
    notes += pretraining_lines(finished.values())
    notes += certificate_lines(rows, plan.rows(), finished, means)
    _add_costs(task, rows, plan.rows(), finished, here, progress)
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


def _add_means(
    task: Task,
    rows: Sequence[dict[str, Any]],
    cells: Sequence[Sequence[Cell]],
    finished: Mapping[Cell, Path],
    main: str,
) -> tuple[list[SeedMean | None], list[str]]:
    """Adds to each row the mean of its seeds; returns the means, and once each the reasons why there is none."""
    means, reasons = list[SeedMean | None](), list[str]()
    for row, own in zip(rows, cells, strict=True):
        found = mean_of_seeds(task, own, finished)
        mean = found if isinstance(found, SeedMean) else None
        row["mean"] = None
        if mean is not None:
            runs = {cell.seed: finished[cell] for cell in own if cell in finished}
            row["mean"] = mean_row(mean, row, list(runs.values()), main)
            row["mean"] |= {"best": False, "against_best": against_best_run(mean, runs, main)}
        elif isinstance(found, str):
            reasons.append(found)
        means.append(mean)
    return means, list(dict.fromkeys(reasons))


def _progress_over_all(progress: Progress, done_before: int, count: int) -> Progress:
    """Shows the progress of the remaining cells as that of all: a bar for each step of each cell fills the screen."""
    return lambda _what, done, _total, note: progress("cells", done_before + done, count, note)


def _train(task: Task, config: Config, run: Path, root: Path, whole: bool, progress: Progress) -> None:
    """Trains one cell; runs in another process."""
    from shared.pipeline.train import run as train

    train(task, config, root=root, out=run, whole=whole, progress=progress)


def _add_costs(
    task: Task,
    rows: Sequence[dict[str, Any]],
    cells: Sequence[Sequence[Cell]],
    finished: Mapping[Cell, Path],
    here: WarmProcesses,
    progress: Progress,
) -> None:
    """Measures the costs of one run of each row and adds them to the rows; all seeds have the same network.

    A mean of seeds costs what its runs cost together.
    """
    first = [next((finished[cell] for cell in row if cell in finished), None) for row in cells]
    runs = [run for run in first if run is not None]
    measured: list[dict[str, Any] | None] = [None] * len(runs)
    if runs:
        try:
            measured = here.call(_measure, task, runs, progress=progress)
        except MedtlError as error:
            log.warning("no costs were measured: %s", error)
    costs = dict(zip(runs, measured, strict=True))
    for row, run in zip(rows, first, strict=True):
        row["costs"] = None if run is None else costs[run]
        if row["mean"] is not None:
            row["mean"]["costs"] = _together(row["costs"], len(row["runs"]))


def _together(costs: Mapping[str, Any] | None, count: int) -> dict[str, Any] | None:
    """The costs of several networks that all answer each image."""
    if costs is None:
        return None
    return {key: value / count if key == "images_a_second" else value * count for key, value in costs.items()}


def _measure(task: Task, runs: Sequence[Path], progress: Progress) -> list[dict[str, Any] | None]:
    """Measures the costs of runs; runs in another process."""
    from shared.experiments.comparison.costs import measure_costs

    return measure_costs(task, runs, progress)
