"""Turns a missing package into an error of the family, with the extra that brings it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from shared.errors import UsageError
from shared.extras import OURS, missing

Arguments = ParamSpec("Arguments")
Returned = TypeVar("Returned")


def naming_extras(function: Callable[Arguments, Returned]) -> Callable[Arguments, Returned]:
    """Makes a public function say which extra it needs, in place of Python's `No module named`.

    Args:
        function: The function.

    Returns:
        The function, which raises UsageError where a package of another project is missing.
    """

    @wraps(function)
    def guarded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Returned:
        try:
            return function(*args, **kwargs)
        except ModuleNotFoundError as error:
            if error.name is None or error.name.partition(".")[0] in OURS:
                raise
            raise UsageError(missing(f"`{function.__name__}`", error.name)) from None

    return guarded
