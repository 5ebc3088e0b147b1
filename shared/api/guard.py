"""Errors in the words of a caller in Python: which extra is missing, and that `settings` has a fault."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import ParamSpec, TypeVar

from shared.errors import ConfigError, UsageError
from shared.extras import OURS, missing

Arguments = ParamSpec("Arguments")
Returned = TypeVar("Returned")
COMMAND_LINE = "the command line"
"""What `shared.config.read` calls the place of words `key=value`."""


def in_words_of_python(function: Callable[Arguments, Returned]) -> Callable[Arguments, Returned]:
    """Makes a public function say what is wrong as its caller gave it.

    Args:
        function: The function; its argument `settings`, where it has one, overrides keys of a configuration.

    Returns:
        The function. Where a package of another project is missing, it raises UsageError with the extra that brings it.
        A fault of a key in `settings` is told of `settings`, and not of a command line.
    """

    @wraps(function)
    def guarded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Returned:
        try:
            return function(*args, **kwargs)
        except ModuleNotFoundError as error:
            if error.name is None or error.name.partition(".")[0] in OURS:
                raise
            raise UsageError(missing(f"`{function.__name__}`", error.name)) from None
        except ConfigError as error:
            if type(error) is not ConfigError or not isinstance(kwargs.get("settings"), Mapping):
                raise
            raise ConfigError(str(error).replace(COMMAND_LINE, "settings")) from None

    return guarded
