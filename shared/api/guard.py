"""Errors in the words of a caller in Python: which extra is missing, and arguments in place of command-line options."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from inspect import signature
from typing import ParamSpec, TypeVar

from shared.errors import MedtlError, UsageError
from shared.extras import is_ours, missing

Arguments = ParamSpec("Arguments")
Returned = TypeVar("Returned")
OPTION = re.compile(r"`[^`]*`|--([a-z]+(?:-[a-z]+)*)(?: ([A-Z]+)\b)?")
"""An option with its placeholder (`--model RUN`); a whole command in backquotes is none, and stays."""
ARGUMENTS = {"as": "layout", "loss-weight": "loss_weights", "model": "run", "strategy": "strategies"}
"""Options whose argument has another name, where a function has one of that name."""
_WORDED: ContextVar[bool] = ContextVar("_WORDED", default=False)
"""Whether something further out chooses the words of errors: the command line, or the function that was called."""


@contextmanager
def in_words_of_commands() -> Iterator[None]:
    """Gives a `with` block in which errors name options of the command line, as the person typed them."""
    token = _WORDED.set(True)
    try:
        yield
    finally:
        _WORDED.reset(token)


def in_words_of_python(function: Callable[Arguments, Returned]) -> Callable[Arguments, Returned]:
    """Makes a public function say what is wrong as its caller gave it.

    Args:
        function: The function; its argument `settings`, where it has one, overrides keys of a configuration.

    Returns:
        The function. Where a package of another project is missing, it raises UsageError with the extra that brings it.
        What an error says of options and of the command line, it says of arguments; not within `in_words_of_commands`.
    """
    parameters = signature(function).parameters
    names = None if any(one.kind is one.VAR_KEYWORD for one in parameters.values()) else frozenset(parameters)

    @wraps(function)
    def guarded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Returned:
        outermost = not _WORDED.get()
        try:
            with in_words_of_commands():
                return function(*args, **kwargs)
        except ModuleNotFoundError as error:
            if is_ours(error):
                raise
            raise UsageError(missing(f"`{function.__name__}`", str(error.name))) from None
        except MedtlError as error:
            if outermost:
                place = "settings" if kwargs.get("settings") else "the arguments"
                error.args = (_of_arguments(str(error), names, place),)
            raise

    return guarded


def _of_arguments(message: str, names: Collection[str] | None, settings: str) -> str:
    """A message in which arguments stand in place of options of the command line.

    Args:
        message: The message.
        names: Names of the arguments; None: any may be one.
        settings: What to call the place of words `key=value`.
    """
    from shared.config.read import COMMAND_LINE

    def argument(found: re.Match[str]) -> str:
        option, placeholder = found[1], found[2]
        if option is None:
            return found[0]
        own = option.replace("-", "_")
        other = ARGUMENTS.get(option, own)
        name = own if names is None or own in names else other
        if names is not None and name not in names:
            return found[0]
        return f"{name}={placeholder}" if placeholder else name

    return OPTION.sub(argument, message.replace(COMMAND_LINE, settings))
