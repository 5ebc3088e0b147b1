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
from shared.workers import Errand, OneByOne, Workers

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
        `name`, `task`, `caveats` and `notes` (sentences), `main` (the measure that rows are compared by), `rows` (see
        `shared.compare_table`), and `published` (sentences).

    Raises:
        UsageError: Finished cells are of another state of the data than the rest, or than the data are in now.
    """
    folder = root / FOLDER / plan.name
    workers = workers or OneByOne()
    finished, failures = _found(plan, folder)
    _check_unchanged(task, finished, root, progress)
    todo = [cell for cell in plan.cells if cell not in finished and cell not in failures]
    errands = [_errand(task, cell, folder / cell.folder, root) for cell in todo]
    started = len(plan.cells) - len(todo)
    within = _within(progress, started, len(plan.cells))
    for place, result in workers.run(errands, within):
        cell, run = todo[place], folder / todo[place].folder
        if isinstance(result, MedtlError):
            failures[cell] = str(result)
            log.warning("%s failed: %s", cell.name, result)
        elif is_finished(run):
            finished[cell] = run
        else:
            failures[cell] = f"it was trained, but {run} is not finished here: the cluster needs one shared file system"
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


def _found(plan: Plan, folder: Path) -> tuple[dict[Cell, Path], dict[Cell, str]]:
    """The cells that are finished already, and those of them that were changed since, with what is wrong."""
    finished, failures = dict[Cell, Path](), dict[Cell, str]()
    for cell in plan.cells:
        run = folder / cell.folder
        if not is_finished(run):
            continue
        try:
            check_finished(run)
            finished[cell] = run
        except MedtlError as error:
            failures[cell] = str(error)
            log.warning("%s failed: %s", cell.name, error)
    return finished, failures


def _errand(task: Task, cell: Cell, run: Path, root: Path) -> Errand:
    return Errand(cell.name, _train, (task, cell.config, run, root), gpu=cell.config.device != "cpu")


def _within(progress: Progress, started: int, count: int) -> Progress:
    """Progress of the errands left, as that of all cells: a bar for each step of each cell would fill the screen."""
    return lambda _what, done, _total, note: progress("cells", started + done, count, note)


def _train(task: Task, config: Config, run: Path, root: Path, progress: Progress) -> None:
    from shared.runner import run as train

    train(task, config, root=root, out=run, progress=progress)


def _check_unchanged(task: Task, finished: Mapping[Cell, Path], root: Path, progress: Progress) -> None:
    """Finished cells are taken as they lie; before hours are spent beside them, the data must be as they were then."""
    by_data = _by_data(finished)
    examples = [next(iter(cells)).config for cells in by_data.values()]
    states = in_child(_states_now, task, examples, root, progress=progress) if examples else []
    for cells, now in zip(by_data.values(), states, strict=True):
        older = [run for run in cells.values() if now not in (None, read_model_record(run).data_hash)]
        if older:
            more = f" and {len(older) - 1} more" if len(older) > 1 else ""
            raise UsageError(
                f"the data changed since {older[0]}{more} of its cells were trained; delete those of the older state, "
                "or name the comparison anew"
            )


def _states_now(task: Task, configs: Sequence[Config], root: Path, progress: Progress) -> list[str | None]:
    """Fingerprints of the data of each configuration; None where they cannot be read, which is for cells to tell."""
    from shared.building import preprocessing_of
    from shared.loading import load_dataset, require_data

    found = list[str | None]()
    for config in configs:
        try:
            require_data(config.data)
            spec = preprocessing_of(task, config)
            found.append(load_dataset(task, config.data, spec, root, progress).fingerprint)
        except MedtlError as error:
            log.warning("whether the data are still those of finished cells cannot be told: %s", error)
            found.append(None)
    return found


def _check_data(finished: Mapping[Cell, Path]) -> None:
    """Between two cells the data may have changed."""
    for cells in _by_data(finished).values():
        states = {read_model_record(run).data_hash: run.name for run in cells.values()}
        if len(states) > 1:
            raise UsageError(
                f"the data changed between {' and '.join(states.values())}; delete the cells of the older state, or "
                "name the comparison anew"
            )


def _by_data(finished: Mapping[Cell, Path]) -> dict[str, dict[Cell, Path]]:
    """Finished cells by all that a configuration says of their data but the label budget."""
    found: dict[str, dict[Cell, Path]] = {}
    for cell, run in finished.items():
        data = cell.config.data.model_copy(update={"labels_per_class": None}).model_dump_json()
        found.setdefault(data, {})[cell] = run
    return found


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
