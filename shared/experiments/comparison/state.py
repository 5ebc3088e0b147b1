"""Where a comparison stands before its cells are begun: what is finished, and what cannot be gone on with."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from shared.errors import MedtlError, UsageError
from shared.experiments.comparison.plan import Cell, Plan
from shared.processes.worker import run_in_subprocess
from shared.progress import Progress
from shared.runs.folder import check_finished, is_finished
from shared.runs.record import read_model_record

if TYPE_CHECKING:
    from shared.config.schema import Config
    from shared.task import Task

log = logging.getLogger(__name__)


def finished_cells(plan: Plan, folder: Path) -> tuple[dict[Cell, Path], dict[Cell, str]]:
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


def check_unchanged(task: Task, finished: Mapping[Cell, Path], root: Path, progress: Progress) -> None:
    """Finished cells are taken as they lie; before hours are spent beside them, the data must be as they were then.

    Args:
        task: The application.
        finished: Runs.
        root: Where the synthetic data lie.
        progress: Called with (what, done, total, note).

    Raises:
        UsageError: They are not.
    """
    by_data = _by_data(finished)
    examples = [next(iter(cells)).config for cells in by_data.values()]
    states = run_in_subprocess(_states_now, task, examples, root, progress=progress) if examples else []
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
    from shared.data.loading import load_dataset, require_data
    from shared.pipeline.preflight import preflight

    found = list[str | None]()
    for config in configs:
        try:
            require_data(config.data)
            spec = preflight(task, config).spec
            found.append(load_dataset(task, config.data, spec, root, progress).fingerprint)
        except MedtlError as error:
            log.warning("whether the data are still those of finished cells cannot be told: %s", error)
            found.append(None)
    return found


def check_one_state(finished: Mapping[Cell, Path]) -> None:
    """Between two cells the data may have changed.

    Raises:
        UsageError: They did.
    """
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
        found.setdefault(_data_of(cell), {})[cell] = run
    return found


def _data_of(cell: Cell) -> str:
    """All that a configuration says of its data but the label budget."""
    data = cell.config.data
    whole = data.budget.model_copy(update={"labels_per_class": None})
    return data.model_copy(update={"budget": whole}).model_dump_json()


def without_data(cells: Sequence[Cell]) -> dict[Cell, str]:
    """Cells whose data do not exist, and which: looked up once, and not by each in a process of its own.

    Args:
        cells: Not finished.
    """
    from shared.data.loading import require_data

    named = {cell: (_data_of(cell), "on these data") for cell in cells}
    return _failing(named, lambda cell: require_data(cell.config.data))


def without_weights(cells: Sequence[Cell], *, fetch: bool) -> dict[Cell, str]:
    """Cells whose weights are not here, and why: looked up once, and not by each in a process of its own.

    Args:
        cells: Not finished.
        fetch: Whether those of ImageNet are fetched here; else each machine fetches its own.
    """
    from shared.models.backbones.build import find_backbone
    from shared.models.weights import require_weights

    wanted = {cell: cell.config.backbone for cell in cells if fetch or cell.config.backbone.weights != "imagenet"}
    named = {
        cell: (f"{one.name} {one.weights}", f"of {one.name} with weights {one.weights}") for cell, one in wanted.items()
    }
    return _failing(named, lambda cell: require_weights(find_backbone(wanted[cell].name), wanted[cell].weights))


def _failing(named: Mapping[Cell, tuple[str, str]], check: Callable[[Cell], object]) -> dict[Cell, str]:
    """Cells that a check refuses, and why; it is asked once for all that need the same.

    Args:
        named: For each cell a key of what it needs, and which cells these are in words.
        check: Raises a `MedtlError` where that is not here.
    """
    reasons, failures = dict[str, str | None](), dict[Cell, str]()
    for cell, (key, words) in named.items():
        if key not in reasons:
            try:
                check(cell)
                reasons[key] = None
            except MedtlError as error:
                reasons[key] = str(error)
                log.warning("all cells %s failed: %s", words, error)
        if reason := reasons[key]:
            failures[cell] = reason
    return failures
