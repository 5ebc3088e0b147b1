"""Public names of a package that are imported when they are first used, so that importing the package stays light."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from shared.errors import UsageError
from shared.extras import is_ours, missing


def lazily(package: str, names: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Makes the functions `__getattr__` and `__dir__` of a package (PEP 562).

    Args:
        package: Name of the package.
        names: For each public name, the module that has it.

    Returns:
        A function of a name that returns what it stands for and raises AttributeError for others and UsageError
        where an extra is missing, and a function that lists the names.
    """

    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            return getattr(importlib.import_module(names[name]), name)
        except ModuleNotFoundError as error:
            if is_ours(error):
                raise
            raise UsageError(missing(f"`{package}.{name}`", str(error.name))) from None

    return find, lambda: sorted(names)
