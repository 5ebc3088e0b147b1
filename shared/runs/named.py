"""Names of runs. Nothing heavy is imported here: command lines read it before they know what to do."""

from __future__ import annotations

from pathlib import Path


def find_named(root: Path, named: Path) -> Path:
    """Finds a run that is named by its path, or by the name of its folder under the folder of runs.

    Args:
        root: Folder of runs.
        named: Path or name; a path that exists wins.

    Returns:
        The run's path; `named` itself where there is no such folder.
    """
    within = root / named
    return within if len(named.parts) == 1 and not named.exists() and within.is_dir() else named
