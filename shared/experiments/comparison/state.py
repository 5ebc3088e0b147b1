"""The state of a comparison before its cells are trained: which are finished, and which lack data or weights."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from shared.errors import ConfigError, DataError, MedtlError, UsageError
from shared.experiments.comparison.plan import Cell, Plan, budget_in_words
from shared.processes.jobs import WarmProcesses
from shared.progress import Progress
from shared.runs.folder import check_finished, is_finished, is_whole
from shared.runs.record import read_model_record

if TYPE_CHECKING:
    from shared.config.schema import Config
    from shared.samples import Dataset
    from shared.task import Task

log = logging.getLogger(__name__)


def finished_cells(plan: Plan, folder: Path, *, keep: bool) -> tuple[dict[Cell, Path], dict[Cell, str]]:
    """Finds the cells whose runs are finished, and those whose runs were changed after they were written.

    Args:
        plan: The comparison.
        folder: Folder of the cells' runs.
        keep: Whether only whole runs count as finished, those that answer inputs and have a report.

    Returns:
        Run folder of each finished cell, and the failure of each finished cell whose run was changed.
    """
    finished, failures = dict[Cell, Path](), dict[Cell, str]()
    for cell in plan.cells:
        run = folder / cell.folder
        if not is_finished(run):
            continue
        try:
            check_finished(run)
            if is_whole(run) or not keep:
                finished[cell] = run
        except MedtlError as error:
            failures[cell] = str(error)
            log.warning("%s failed: %s", cell.name, error)
    return finished, failures


def check_unchanged(
    task: Task, finished: Mapping[Cell, Path], root: Path, here: WarmProcesses, progress: Progress
) -> None:
    """Refuses to go on where the data are not those that the finished cells were trained on.

    Args:
        task: The application.
        finished: Run folder of each finished cell.
        root: Folder for generated synthetic data.
        here: Processes of this machine, in which data are read.
        progress: Called with (what, done, total, note).

    Raises:
        UsageError: The data changed since a cell was trained.
    """
    by_data = _by_data(finished)
    examples = [next(iter(cells)).config for cells in by_data.values()]
    states = here.call(_states_now, task, examples, root, progress=progress) if examples else []
    for cells, now in zip(by_data.values(), states, strict=True):
        older = [run for run in cells.values() if now not in (None, read_model_record(run).data_hash)]
        if older:
            more = f" and {len(older) - 1} more" if len(older) > 1 else ""
            raise UsageError(
                f"the data changed since {older[0]}{more} of its cells were trained; delete these runs, or give the "
                "comparison another name"
            )


def _states_now(task: Task, configs: Sequence[Config], root: Path, progress: Progress) -> list[str | None]:
    """Fingerprints of the data of each configuration; None where they cannot be read, which each cell will report."""
    found = list[str | None]()
    for config in configs:
        try:
            found.append(_dataset(task, config, root, progress).fingerprint)
        except MedtlError as error:
            log.warning("cannot check that the data are still those of the finished cells: %s", error)
            found.append(None)
    return found


def _dataset(task: Task, config: Config, root: Path, progress: Progress) -> Dataset:
    from shared.data.loading import load_dataset, require_data
    from shared.pipeline.preflight import preflight

    require_data(task, config.data)
    return load_dataset(task, config.data, preflight(task, config).spec, root, progress)


def cells_without_labels(
    task: Task, cells: Sequence[Cell], root: Path, here: WarmProcesses, progress: Progress
) -> dict[Cell, str]:
    """Finds cells that ask for more labels than a class has images, and refuses data with names that are not known.

    Both once, and before the first cell. What else is wrong with the data is left to the cells, which report it.

    Args:
        task: The application.
        cells: Cells that are not finished, and whose data exist.
        root: Folder for generated synthetic data.
        here: Processes of this machine, in which data are read.
        progress: Called with (what, done, total, note).

    Returns:
        Each such cell with the reason; empty where every class may have enough. How many of them training keeps is left
        to the cells.

    Raises:
        ConfigError: The configuration does not say what a folder or label means, or speaks of one that is not there.
    """
    from shared.data.loading import is_synthetic

    given = [cell for cell in cells if not is_synthetic(task, cell.config.data)]
    examples = {_data_key(cell): cell.config for cell in given}
    if not examples:
        return {}
    found = here.call(_smallest_classes, task, list(examples.values()), root, progress=progress)
    for question in (one for one in found if isinstance(one, str)):
        raise ConfigError(question)
    smallest = dict(zip(examples, found, strict=True))
    needs = {cell: (f"{_data_key(cell)} {cell.labels}", f"with {budget_in_words(cell.labels)}") for cell in given}
    return _refused(needs, lambda cell: _check_budget(cell, smallest[_data_key(cell)]))


def _check_budget(cell: Cell, smallest: tuple[str, int] | str | None) -> None:
    if isinstance(smallest, tuple) and cell.labels is not None and smallest[1] < cell.labels:
        raise DataError(
            f"class {smallest[0]} has {smallest[1]} images in all, and {cell.labels} of each class were asked for; "
            f"leave {cell.labels} out of labels_per_class"
        )


def _smallest_classes(
    task: Task, configs: Sequence[Config], root: Path, progress: Progress
) -> list[tuple[str, int] | str | None]:
    """The class with the fewest images in each configuration's data, and their number.

    In place of it what the configuration does not say of its data, a sentence; None where there is another fault.
    """
    found = list[tuple[str, int] | str | None]()
    for config in configs:
        try:
            labels = [sample.label for sample in _dataset(task, config, root, progress).samples]
            counts = Counter(label for label in labels if label is not None)
            found.append(min(counts.items(), key=lambda one: one[1], default=None))
        except ConfigError as error:
            found.append(str(error))
        except MedtlError as error:
            log.debug("left to the cells: %s", error)
            found.append(None)
    return found


def check_one_state(finished: Mapping[Cell, Path]) -> None:
    """Refuses finished cells that were trained on different states of the same data.

    Args:
        finished: Run folder of each finished cell.

    Raises:
        UsageError: The data changed between two cells.
    """
    for cells in _by_data(finished).values():
        states = {read_model_record(run).data_hash: run.name for run in cells.values()}
        if len(states) > 1:
            raise UsageError(
                f"the data changed between {' and '.join(states.values())}; delete the runs on the older data, or give "
                "the comparison another name"
            )


def _by_data(finished: Mapping[Cell, Path]) -> dict[str, dict[Cell, Path]]:
    """Groups finished cells by their data section, apart from the label budget."""
    groups: dict[str, dict[Cell, Path]] = {}
    for cell, run in finished.items():
        groups.setdefault(_data_key(cell), {})[cell] = run
    return groups


def _data_key(cell: Cell) -> str:
    """The data section of a cell without the label budget, as JSON."""
    data = cell.config.data
    whole = data.budget.model_copy(update={"labels_per_class": None})
    return data.model_copy(update={"budget": whole}).model_dump_json()


def cells_without_data(task: Task, cells: Sequence[Cell]) -> dict[Cell, str]:
    """Finds cells whose data do not exist, once for all cells on the same data.

    Args:
        task: The application.
        cells: Cells that are not finished.

    Returns:
        Each such cell with the reason, the message of the error; empty where all data exist.

    Raises:
        UsageError: The data of no cell exist, or a cell names none.
    """
    from shared.data.loading import require_data, require_named

    for cell in cells:
        require_named(task, cell.config.data)
    if len({_data_key(cell) for cell in cells}) == 1:
        require_data(task, cells[0].config.data)
    needs = {cell: (_data_key(cell), "on these data") for cell in cells}
    return _refused(needs, lambda cell: require_data(task, cell.config.data))


def cells_without_weights(cells: Sequence[Cell], *, fetch: bool) -> dict[Cell, str]:
    """Finds cells whose pretrained weights are missing, once for all cells with the same weights.

    Args:
        cells: Cells that are not finished.
        fetch: Whether ImageNet weights are downloaded here; else each machine downloads its own.

    Returns:
        Each such cell with the reason, the message of the error; empty where no weights are missing.
    """
    from shared.models.backbones.build import find_backbone
    from shared.models.weights import require_weights

    sections = {cell: cell.config.backbone for cell in cells if fetch or cell.config.backbone.weights != "imagenet"}
    needs = {
        cell: (f"{one.name} {one.weights}", f"of {one.name} with weights {one.weights}")
        for cell, one in sections.items()
    }
    return _refused(needs, lambda cell: require_weights(find_backbone(sections[cell].name), sections[cell].weights))


def _refused(needs: Mapping[Cell, tuple[str, str]], check: Callable[[Cell], object]) -> dict[Cell, str]:
    """The cells that a check refuses, with its reason; cells with the same need are checked once.

    Args:
        needs: For each cell a key of its need, and a phrase that describes all cells with that need.
        check: Raises a `MedtlError` where the need is not met.
    """
    reasons, failures = dict[str, str | None](), dict[Cell, str]()
    for cell, (key, words) in needs.items():
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
