"""Which run answers: the one that is named, the default that `use` chose, or the only one there is; never the newest.

The default is a choice of a person. A run that merely ended last is none: it may be an experiment, or a training on
other data. Where there are no runs at all, the only released model answers, which was tested before it was passed on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shared.errors import RunError, UsageError
from shared.io.atomic import read_json, write_json
from shared.runs.listing import FinishedRun, list_runs
from shared.runs.named import LISTED, find_named, released_folders
from shared.runs.record import read_model_record
from shared.runs.released import list_released
from shared.runs.siblings import models_chosen_among


@dataclass(frozen=True)
class ChosenRun:
    """The run that answers.

    Attributes:
        folder: The run folder.
        why: Why it answers, in words for a person; empty where it was named.
        chosen_among: Number of models among which it was chosen on its validation, as
            `shared.runs.siblings.models_chosen_among` counts them; where it is the default, at least what was counted
            when it was chosen.
    """

    folder: Path
    why: str
    chosen_among: int


@dataclass(frozen=True)
class _Default:
    """The content of the file that holds an application's default.

    Attributes:
        folder: Folder of the run, or of a released model.
        weights_hash: Hash of its weights when it was chosen: another training in the same folder is another model.
        chosen_among: Number of models among which it was chosen then.
    """

    folder: Path
    weights_hash: str
    chosen_among: int


def default_file(root: Path, task: str) -> Path:
    """Returns the path of the file that holds the default run of an application, whether it exists or not.

    Args:
        root: Folder of runs.
        task: Name of the application.
    """
    return root / f"{task}.default"


def set_default(root: Path, task: str, run: Path) -> ChosenRun:
    """Makes a run the default of an application.

    Args:
        root: Folder of runs, in which the choice is kept; made where it does not exist.
        task: Name of the application.
        run: The folder of a finished run, checked by the caller; one outside of `root` is kept with its full path.

    Returns:
        The run, and the number of models among which it was chosen.

    Raises:
        UsageError: It is a run of another application.
        RunError: Its record is damaged.
    """
    record = read_model_record(run)
    if record.task != task:
        raise UsageError(f"{run} is a run of {record.task}; `{task}` cannot use it")
    place, count = run.resolve(), models_chosen_among(run, root)
    released = place in [folder.resolve() for folder in released_folders(task)]
    inside = place.is_relative_to(root.resolve())
    shown = place.name if released else str(place.relative_to(root.resolve()) if inside else place)
    tree = {"task": task, "run": shown, "weights_hash": record.weights_hash, "chosen_among": count}
    write_json(default_file(root, task), tree | ({"released": True} if released else {}))
    return ChosenRun(run if released else root / shown, "the default", count)


def default_run(root: Path, task: str) -> Path | None:
    """Returns the folder of an application's default run; None where none was chosen.

    Args:
        root: Folder of runs.
        task: Name of the application.

    Raises:
        RunError: The choice is damaged, or its run is gone or was trained again.
    """
    default = _read_default(root, task)
    return None if default is None else default.folder


def choose_run(
    root: Path, task: str, named: Path | None, *, explicit: bool = False, released: bool = True
) -> ChosenRun:
    """Finds the run that answers: the named one, else the default, else the only finished one under `root`.

    Where none is under `root`, finished or not, it is the only released model.

    Args:
        root: Folder of runs.
        task: Name of the application.
        named: Path or name of a run; None: none was named.
        explicit: Whether a person must have chosen it, also where there is only one run, as for a server.
        released: Whether a released model that nobody chose may answer.

    Returns:
        The run; its files were not checked.

    Raises:
        UsageError: None was named or chosen, and there is none, or more than one, or `explicit` asks for a choice.
        RunError: The default is damaged, or its run is gone or was trained again.
    """
    if named is not None:
        folder = find_named(root, named, task)
        return ChosenRun(folder, "", models_chosen_among(folder, root))
    default = _read_default(root, task)
    if default is not None:
        count = max(default.chosen_among, models_chosen_among(default.folder, root))
        return ChosenRun(default.folder, "the default", count)
    runs = list_runs(root, task)
    finished = runs.finished
    if not finished:
        come = list_released(task).finished
        if released and len(come) == 1 and not runs.faulty:
            folder = come[0].folder
            return ChosenRun(folder, f"no run is under {root}/", models_chosen_among(folder, root))
        raise UsageError(_no_run(root, task, len(runs.faulty), [run.folder.name for run in come]))
    if explicit or len(finished) > 1:
        raise UsageError(_question(root, task, finished))
    (only,) = finished
    return ChosenRun(only.folder, f"the only finished run under {root}/", models_chosen_among(only.folder, root))


def _read_default(root: Path, task: str) -> _Default | None:
    """The default of an application, with its content checked; None where none was chosen."""
    path = default_file(root, task)
    if not path.exists():
        return None
    remedy = f"choose again by `{task} use RUN`, or name a run by --model RUN"
    try:
        tree = read_json(path)
    except RunError:
        tree = {}
    run, weights_hash, count = (tree.get(key) for key in ("run", "weights_hash", "chosen_among"))
    sound = isinstance(run, str) and isinstance(weights_hash, str) and isinstance(count, int) and count > 0
    if not sound or tree.get("task") != task:
        raise RunError(f"{path} is damaged and names no default run of {task}; {remedy}")
    released = {folder.name: folder for folder in released_folders(task)} if tree.get("released") is True else {}
    folder = released.get(str(run), root / str(run))
    default = _Default(folder, str(weights_hash), int(count or 1))
    if not default.folder.is_dir():
        raise RunError(f"the default run {default.folder} is gone; {remedy}")
    if read_model_record(default.folder).weights_hash != default.weights_hash:
        raise RunError(f"the default run {default.folder} is another model than when it was chosen; {remedy}")
    return default


def _no_run(root: Path, task: str, faulty: int, released: list[str]) -> str:
    """Says that no run can answer, and what to do."""
    others = f" ({faulty} unfinished or damaged: `{task} models`)" if faulty else ""
    if released:
        return (
            f"no model is chosen, and no finished {task} run is under {root}/{others}; {task} comes with "
            f"{', '.join(released)}: choose one by `{task} use NAME`, or name one by --model NAME"
        )
    return (
        f"no finished {task} run under {root}/{others}; train one (`{task} train`), or name one from elsewhere by "
        "--model"
    )


def _question(root: Path, task: str, finished: tuple[FinishedRun, ...]) -> str:
    """Asks which run shall answer, with the runs there are."""
    names = [run.folder.name for run in finished[:LISTED]]
    more = f" and {len(finished) - LISTED} more (`{task} models`)" if len(finished) > LISTED else ""
    count = f"{len(finished)} finished {task} run{'s' if len(finished) > 1 else ''}"
    return (
        f"no model is chosen, and {root}/ holds {count}: {', '.join(names)}{more}; choose one by `{task} use RUN`, or "
        "name one by --model RUN"
    )
