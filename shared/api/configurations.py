"""What a caller gives as a configuration or a comparison: a name, a path, or, of a comparison, its content."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.api.arguments import optional_path, path_of
from shared.errors import UsageError


def configuration_of(given: object) -> Path | None:
    """Returns the name or path of a configuration; None where none is given.

    Raises:
        UsageError: It is a dataset.
        TypeError: It is no path.
    """
    named = optional_path("config", given)
    if named is not None and named.suffix.lower() in (".zip", ".csv"):
        raise UsageError(f"{named} is no configuration; give it as `data`")
    return named


def comparison_of(given: object) -> Path | Mapping[str, Any]:
    """Returns a comparison that is given by its name or path, or as a mapping.

    Raises:
        TypeError: It is none of these.
    """
    return given if isinstance(given, Mapping) else path_of("comparison", given)
