"""Errors in the words of a caller in Python: which extra is missing, and arguments in place of command-line options."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from inspect import signature
from typing import Literal, ParamSpec, TypeVar

from shared.errors import MedtlError, UsageError
from shared.extras import is_ours, missing

Arguments = ParamSpec("Arguments")
Returned = TypeVar("Returned")
WORDS = re.compile(
    r"`([^`]+)`"  # a command in backquotes
    r"|--([a-z]+(?:-[a-z]+)*)(?: ([A-Z]+|[0-9]+(?:[.][0-9]+)?)\b)?"  # an option, with its placeholder or number
    r"|(?<!\S)([A-Z]{2,})(?=[\s,;.]|$)"  # a placeholder that stands alone
)
"""Words of the command line in a message: `medtl use RUN` in backquotes, --model RUN, DATA."""
SOURCE = re.compile(r"\bdata\.source=([^\s,;]+)")
"""How a message names the key that is the argument `data`."""
ARGUMENTS = {
    "as": "layout",
    "from": "address",
    "loss-weight": "loss_weights",
    "model": "run",
    "strategy": "strategies",
    "tls-authority": "authority",
}
"""Options whose argument has another name, where a function has one of that name."""
OF_RUNS = frozenset({"evaluate", "export", "pack", "use"})
"""Commands of a run, which are functions of it in Python."""
COMMANDS = OF_RUNS | {"adapt", "advise", "audit", "compare", "ensemble", "models", "predict", "train"}
"""Commands that messages advise, all of which are functions in Python."""
_WORDED: ContextVar[Literal["", "commands", "functions"]] = ContextVar("_WORDED", default="")
"""What something further out chooses the words of: the command line, or the function that was called."""


@contextmanager
def in_words_of_commands() -> Iterator[None]:
    """Gives a `with` block in which errors name options of the command line, as the person typed them."""
    with _words_of("commands"):
        yield


@contextmanager
def _words_of(caller: Literal["commands", "functions"]) -> Iterator[None]:
    token = _WORDED.set(caller)
    try:
        yield
    finally:
        _WORDED.reset(token)


def worded(line: str) -> str:
    """Returns a line as its reader would type what it advises: commands and options, or Python's functions.

    Args:
        line: A line for a person, in words of the command line.
    """
    return line if _WORDED.get() == "commands" else _of_arguments(line, None, "settings")


def in_words_of_python(function: Callable[Arguments, Returned]) -> Callable[Arguments, Returned]:
    """Makes a public function say what is wrong as its caller gave it.

    Args:
        function: The function; its argument `settings`, where it has one, overrides keys of a configuration.

    Returns:
        The function. Where a package of another project is missing, it raises UsageError with the extra that brings it.
        What an error says of commands and options, it says of functions and arguments. Within `in_words_of_commands`,
        and within another such function, all passes through unchanged, for that to tell.
    """
    parameters = signature(function).parameters
    names = None if any(one.kind is one.VAR_KEYWORD for one in parameters.values()) else frozenset(parameters)

    @wraps(function)
    def guarded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Returned:
        if _WORDED.get():
            return function(*args, **kwargs)
        try:
            with _words_of("functions"):
                return function(*args, **kwargs)
        except ModuleNotFoundError as error:
            if is_ours(error):
                raise
            raise UsageError(missing(f"`{function.__name__}`", str(error.name))) from None
        except MedtlError as error:
            place = "settings" if kwargs.get("settings") else "the arguments"
            error.args = (_of_arguments(str(error), names, place),)
            raise

    return guarded


def _of_arguments(message: str, names: Collection[str] | None, settings: str) -> str:
    """A message in which functions and arguments stand in place of commands and options.

    Args:
        message: The message.
        names: Names of the arguments; None: any may be one.
        settings: What to call the place of words `key=value`.
    """
    from shared.config.read import COMMAND_LINE

    if "data" in (names or ()):
        message = SOURCE.sub(r"data='\1'", message)

    def argument(found: re.Match[str]) -> str:
        command, option, value, placeholder = found.groups()
        if command is not None:
            return f"`{_function(command)}`"
        if placeholder is not None:
            return f"`{placeholder.lower()}`" if placeholder.lower() in (names or ()) else placeholder
        own = option.replace("-", "_")
        if (positive := own.removeprefix("no_")) != own and positive in (names or ()):
            return f"{positive}=False"
        name = own if names is None or own in names else ARGUMENTS.get(option, own)
        if names is not None and name not in names:
            return found[0]
        return f"{name}={value}" if value else name

    return WORDS.sub(argument, message.replace(COMMAND_LINE, settings))


def _function(command: str) -> str:
    """The call in Python that does what a command does; what is no such command stays as it is.

    Args:
        command: A command with its placeholders, with or without the application before it: `medtl use RUN`.
    """
    words = command.split()
    name, *rest = words if words[0] in COMMANDS else words[1:] or words
    if name not in COMMANDS:
        return command
    named = [place for place, word in enumerate(rest) if word.startswith("--")]
    values = [word if word.isupper() else repr(word) for word in rest]
    given = values[: named[0]] if named else values
    options = [f"{rest[place][2:].replace('-', '_')}={values[place + 1]}" for place in named if place + 1 < len(rest)]
    run = f"load_run({given.pop(0) if given else 'RUN'})." if name in OF_RUNS else ""
    return f"{run}{name}({', '.join([*given, *options])})"
