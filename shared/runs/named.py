"""Names of runs. Nothing heavy is imported here: command lines read it before they know what to do."""

from __future__ import annotations

from pathlib import Path

from shared.config.named import package_folder

MODELS = "models"
"""Folder in an application's package for its released models, one folder each."""


def find_named(root: Path, named: Path, task: str | None = None) -> Path:
    """Finds a run that is named by its path, or by the name of its folder under the folder of runs, or in the package.

    Args:
        root: Folder of runs.
        named: Path or name; a path that exists wins, then a run, then a released model.
        task: Name of the application whose released models are searched too; None: none are.

    Returns:
        The run's path; `named` itself where there is no such folder.
    """
    if len(named.parts) != 1 or named.exists():
        return named
    if (root / named).is_dir():
        return root / named
    released = {folder.name: folder for folder in released_folders(task)} if task is not None else {}
    return released.get(named.name, named)


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
