"""The folders of the paths in a run's configuration: `config.yaml` may be passed on, `paths.json` beside it stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from shared.errors import ConfigError

RUN_CONFIG, PATHS = "config.yaml", "paths.json"


def paths_in(whole: Any, cut: Any) -> Any:
    """Finds what was cut from plain data.

    Args:
        whole: Plain data with whole paths.
        cut: The same with the last parts of the paths alone.

    Returns:
        Of a mapping the keys that differ, of a list all items with None for equal ones, each with what differs within
        it; of any other value the whole one. None where nothing differs.
    """
    if isinstance(whole, dict):
        found = {key: paths_in(value, cut[key]) for key, value in whole.items()}
        return {key: value for key, value in found.items() if value is not None} or None
    if isinstance(whole, list):
        items = [paths_in(*pair) for pair in zip(whole, cut, strict=True)]
        return items if any(item is not None for item in items) else None
    return None if whole == cut else whole


def read_paths(folder: Path) -> Any:
    """Reads the whole paths of a run.

    Args:
        folder: The run folder.

    Returns:
        What `paths_in` returned; None where there is no `paths.json`, as in a run that was passed on.

    Raises:
        ConfigError: The file is damaged.
    """
    path = folder / PATHS
    try:
        return json.loads(path.read_bytes()) if path.is_file() else None
    except (OSError, ValueError, RecursionError):
        raise ConfigError(
            f"{path} cannot be read; delete it, and name the data where a command asks for them"
        ) from None


def with_paths(tree: Any, paths: Any) -> Any:
    """Puts whole paths into plain data, each where its last part stands; others are passed over.

    Args:
        tree: Plain data; they are not changed.
        paths: What `read_paths` returned.
    """
    if isinstance(tree, dict) and isinstance(paths, dict):
        return {key: with_paths(value, paths.get(key)) for key, value in tree.items()}
    if isinstance(tree, list) and isinstance(paths, list) and len(tree) == len(paths):
        return [with_paths(*pair) for pair in zip(tree, paths, strict=True)]
    return paths if isinstance(paths, str) and isinstance(tree, str) and Path(paths).name == tree else tree
