"""What commands share: where runs lie, exit codes, errors in one line, names that an option takes.

Nothing heavy is imported here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
import typer

from shared.api.guard import in_words_of_commands
from shared.errors import REMEDIES, MedtlError, UsageError, system_words
from shared.extras import is_ours, missing

RUNS = Path("runs")
EXIT_FAULT, EXIT_USAGE, EXIT_REFUSED, EXIT_NOT_ASSESSED, EXIT_INTERRUPTED = 1, 2, 3, 4, 130

Names = Callable[[], Sequence[str]]
"""Looks up the names that an option takes; called only when they are needed, for it may import torch."""
AnyCommand = TypeVar("AnyCommand", bound=Callable[..., None])


def split_words(first: Path | None, overrides: Sequence[str] | None) -> tuple[Path | None, list[str]]:
    """Tells a configuration from overrides, which may stand alone.

    Args:
        first: The first word of the command line: a configuration, or an override; None: nothing was given.
        overrides: The words after it; None: none.

    Returns:
        The configuration, None where none is named; and all overrides.

    Raises:
        UsageError: It is none but data, or a key.
    """
    words = list(overrides or [])
    if first is not None and "=" in str(first) and not first.exists():
        return None, [str(first), *words]
    if first is not None:
        _refuse_no_config(first, words)
    return first, words


def _refuse_no_config(config: Path, words: Sequence[str]) -> None:
    """Refuses what stands in the place of a configuration and is meant as data, or as a key.

    Raises:
        UsageError: It is; the message says what to write.
    """
    from shared.config.meant import setting_meant

    if config.is_dir() or config.suffix.lower() in (".zip", ".csv"):
        raise UsageError(f"{config} is no configuration; to train on these data write data.source={config}")
    value = words[0] if words and "=" not in words[0] else ""
    if not config.exists() and (setting := setting_meant(str(config), value)) is not None:
        raise UsageError(f"{config} is no configuration but a key of one; write {setting}")


def show(lines: Iterable[str]) -> None:
    """Prints lines on standard output.

    Args:
        lines: The lines, without line breaks at their ends.
    """
    for line in lines:
        typer.echo(line)


@contextmanager
def reported(*, resumes: bool = False) -> Iterator[None]:
    """Gives a `with` block whose errors end the command with one line on standard error and an exit code.

    An exception that is a fault of the program passes through unchanged.

    Args:
        resumes: Whether the same command goes on where it ended, which is then said on Ctrl-C and on a full disk.

    Raises:
        typer.Exit: With `EXIT_USAGE` for wrong usage, a place that cannot be written among it, `EXIT_FAULT` for faulty
            data, weights or runs, and for a full disk, 130 for Ctrl-C.
    """
    from shared.errors import ConfigError, UnknownNameError

    try:
        with in_words_of_commands():
            yield
    except (ConfigError, UnknownNameError, UsageError) as error:
        raise _ended(f"error: {error}", EXIT_USAGE) from None
    except MedtlError as error:
        raise _ended(f"error: {error}", EXIT_FAULT) from None
    except ModuleNotFoundError as error:
        if is_ours(error):
            raise
        raise _ended(f"error: {missing(_command(), str(error.name))}", EXIT_USAGE) from None
    except BrokenPipeError:
        raise  # the reader of the output, such as `head`, has had enough: click ends in silence
    except OSError as error:
        ours = error.errno in REMEDIES
        then = "; the same command resumes" if resumes and ours else ""
        raise _ended(f"error: {system_words(error)}{then}", EXIT_FAULT if ours else EXIT_USAGE) from None
    except KeyboardInterrupt:
        raise _ended(f"interrupted{'; the same command resumes it' if resumes else ''}", EXIT_INTERRUPTED) from None


def _command() -> str:
    """The command that runs, as a sentence begins with it."""
    context = click.get_current_context(silent=True)
    name = context.command_path.partition(" ")[2] if context is not None else ""
    return f"`{name}`" if name else "this command"


def _ended(line: str, code: int) -> typer.Exit:
    typer.echo(line, err=True)
    return typer.Exit(code)


def takes_names(**options: Names) -> Callable[[AnyCommand], AnyCommand]:
    """Makes a decorator that marks the options of a command that take names of a registry.

    `options COMMAND` then lists the names.

    Args:
        options: For each marked option, a function without arguments that returns the allowed names; keyed by the
            command's parameter (`method` for `--method`).

    Returns:
        The decorator; it marks the command, and returns it.
    """

    def marked(command: AnyCommand) -> AnyCommand:
        command.names = options  # type: ignore[attr-defined]
        return command

    return marked


def names_of(command: Callable[..., Any]) -> Mapping[str, Names]:
    """Returns the options of a command that take names of a registry, as `takes_names` marked them.

    Args:
        command: The function of the command.

    Returns:
        For each marked parameter, a function without arguments that returns the allowed names; empty where none is
        marked.
    """
    marked: Mapping[str, Names] = getattr(command, "names", {})
    return marked


def exit_code(statuses: Collection[str]) -> int:
    """Returns the exit code of a command that judged inputs.

    Args:
        statuses: The `status` of every answer.

    Returns:
        3 where one is "refused", else 4 where one is "not assessed" or "not decided", else 0.
    """
    if "refused" in statuses:
        return EXIT_REFUSED
    return EXIT_NOT_ASSESSED if {"not assessed", "not decided"} & set(statuses) else 0
