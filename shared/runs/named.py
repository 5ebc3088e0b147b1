"""Names of runs: where the run lies that a person names, and which there are where there is none of that name."""

from __future__ import annotations

import difflib
from pathlib import Path

from shared.config.named import package_folder
from shared.errors import RunError, UsageError
from shared.io.atomic import read_json
from shared.runs.folder import DONE, is_finished

MODELS = "models"
"""Folder in an application's package for its released models, one folder each."""
LISTED = 10
"""Most runs that a message lists; `models` lists all of them."""


def find_named(root: Path, named: Path, task: str | None = None) -> Path:
    """Finds a run that is named by its path, or by the name of its folder under the folder of runs, or in the package.

    Args:
        root: Folder of runs.
        named: Path or name; a path that exists wins, then a run, then a released model.
        task: Name of the application whose released models are searched too; None: none are.

    Returns:
        The run's path; whether it holds a run is not checked.

    Raises:
        UsageError: There is no such folder; the message lists the runs that there are, the near ones first.
    """
    if named.exists():
        return named
    released = {folder.name: folder for folder in released_folders(task)} if task is not None else {}
    if len(named.parts) == 1:
        if (root / named).is_dir():
            return root / named
        if named.name in released:
            return released[named.name]
    raise UsageError(_no_run(root, named, [*_finished(root, task), *released]))


def _finished(root: Path, task: str | None) -> list[str]:
    """Names of the finished runs directly under a folder, those of one application where it is named."""
    return [folder.name for folder in sorted(root.glob("*")) if is_finished(folder) and _is_of(folder, task)]


def _is_of(folder: Path, task: str | None) -> bool:
    try:
        return task is None or read_json(folder / DONE).get("task") == task
    except RunError:
        return False


def _no_run(root: Path, named: Path, known: list[str]) -> str:
    """Says that there is no such run, and which there are."""
    where = f"no folder, and no run under {root}/" if len(named.parts) == 1 else "no folder"
    if not known:
        return f"{named}: {where}; no finished run is there either: `train` makes one"
    near = difflib.get_close_matches(named.name, known, n=3)
    listed = [*near, *(name for name in known if name not in near)]
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    more = f" and {len(listed) - LISTED} more, which `models` lists" if len(listed) > LISTED else ""
    return f"{named}: {where}; {hint}there are {', '.join(listed[:LISTED])}{more}"


def released_folders(task: str) -> list[Path]:
    """Lists the folders of the released models that come with an application, by name; empty where none does.

    Args:
        task: Name of the application, which is that of its package.
    """
    root = released_root(task)
    return sorted(path for path in root.iterdir() if path.is_dir()) if root is not None and root.is_dir() else []


def released_root(task: str) -> Path | None:
    """Returns the folder of an application's released models, whether it exists or not.

    Args:
        task: Name of the application, which is that of its package.

    Returns:
        The folder in the package; None where there is no such package.
    """
    package = package_folder(task)
    return None if package is None else package / MODELS
