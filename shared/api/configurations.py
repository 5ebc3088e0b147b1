"""Finds configurations by their names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.api.arguments import path_of

if TYPE_CHECKING:
    from shared.task import Task


def configuration_of(task: Task, named: Path | None) -> Path | None:
    """Finds a configuration by its path, or by the name of one that comes with the package.

    Args:
        task: The application.
        named: Path or name; None: none was named. A path that exists wins.

    Returns:
        The path of the YAML file; `named` itself where there is no such name.
    """
    if named is None or named.exists() or len(named.parts) != 1 or named.suffix:
        return named
    shipped = Path(__file__).parents[2] / "configs" / task.name / f"{named}.yaml"
    return shipped if shipped.is_file() else named


def comparison_of(task: Task, given: object) -> Path | Mapping[str, Any]:
    """Finds a comparison by its name or path; one that is given as a mapping is returned.

    Args:
        task: The application.
        given: Name, path or mapping.

    Raises:
        TypeError: It is none of these.
    """
    if isinstance(given, Mapping):
        return given
    path = path_of("comparison", given)
    return configuration_of(task, path) or path
