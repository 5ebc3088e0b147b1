"""What commands share: where runs lie, exit codes, errors in one line, names that an option takes.

Nothing heavy is imported here.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from shared.errors import REMEDIES, MedtlError, UsageError, system_words
from shared.extras import missing

if TYPE_CHECKING:
    from shared.config.schema import Config
    from shared.task import Task

RUNS = Path("runs")
EXIT_FAULT, EXIT_USAGE, EXIT_REFUSED, EXIT_NOT_ASSESSED, EXIT_INTERRUPTED = 1, 2, 3, 4, 130
OURS = ("shared", "medtl", "handwriting")
"""Packages of this project: one that is missing is a defect of ours, not an extra that was not installed."""

Names = Callable[[], Sequence[str]]
"""Looks up the names that an option takes; called only when they are needed, for it may import torch."""
AnyCommand = TypeVar("AnyCommand", bound=Callable[..., None])
Result = TypeVar("Result")


def settings_of(task: Task, config: Path | None, overrides: Sequence[str] | None) -> Config:
    """Reads a configuration, and applies the overrides to it.

    Args:
        task: The application.
        config: Its YAML file, its name, or a first override that stands where they would; None: the defaults.
        overrides: `key.sub=value` words of the command line; None: none.

    Raises:
        ConfigError: There is no such configuration, or a key or value is not allowed.
    """
    from shared.config.read import load_config

    named, words = split_words(config, overrides)
    return load_config(named, words, task.name)


def split_words(first: Path | None, overrides: Sequence[str] | None) -> tuple[Path | None, list[str]]:
    """Tells a configuration from overrides, which may stand alone.

    Args:
        first: The first word of the command line: a configuration, or an override; None: nothing was given.
        overrides: The words after it; None: none.

    Returns:
        The configuration, None where none is named; and all overrides.
    """
    words = list(overrides or [])
    if first is not None and "=" in str(first) and not first.exists():
        return None, [str(first), *words]
    return first, words


def settings_on(data: Path, overrides: Sequence[str] | None, allowed: Sequence[str]) -> Config:
    """Makes the configuration of a command that is given its data as an argument, and few settings.

    Args:
        data: The dataset.
        overrides: `key.sub=value` words of the command line; None: none.
        allowed: Keys that may be set, each with all that is within it.

    Raises:
        UsageError: Another key is set.
        ConfigError: A value is not allowed.
    """
    from shared.config.read import COMMAND_LINE, apply_override, validate
    from shared.config.schema import Config

    tree: dict[str, Any] = {}
    for word in overrides or ():
        key = word.partition("=")[0]
        if not any(f"{key}.".startswith(f"{one}.") for one in allowed):
            raise UsageError(f"{word!r}: this command takes no such setting; allowed are {', '.join(allowed)}")
        apply_override(tree, word)
    tree["data"] = {**tree.get("data", {}), "source": str(data)}
    return validate(Config, tree, origin=COMMAND_LINE)


def make_folder(out: Path | None) -> None:
    """Makes the folder for results, with those above it; one that exists stays as it is.

    Args:
        out: The folder; None: nothing is made.

    Raises:
        UsageError: A file has that name.
    """
    if out is not None:
        if out.exists() and not out.is_dir():
            raise UsageError(f"{out} is a file; name a folder for what is written")
        out.mkdir(parents=True, exist_ok=True)


class Writes:
    """Writes what belongs to answers, after the answers were printed: a full disk takes none of them away.

    After the first refusal of the system nothing more is written, and `check` raises it in the end.
    """

    def __init__(self) -> None:
        self._fault: OSError | None = None

    def call(self, write: Callable[..., Result], *arguments: Any) -> Result | None:
        """Calls a function that writes.

        Args:
            write: The function.
            arguments: Its arguments.

        Returns:
            Its result; None where the system refused to write, now or before.
        """
        if self._fault is not None:
            return None
        try:
            return write(*arguments)
        except BrokenPipeError:
            raise
        except OSError as error:
            self._fault = error
            return None

    def check(self) -> None:
        """Raises the refusal of the system, where there was one.

        Raises:
            OSError: Something could not be written.
        """
        if self._fault is not None:
            raise self._fault


@contextmanager
def reported(*, resumes: bool = False) -> Iterator[None]:
    """Gives a `with` block whose errors end the command with one line on standard error and an exit code.

    An exception that is a fault of the program passes through unchanged.

    Args:
        resumes: Whether the same command goes on where it ended, which is then said where a disk is full.

    Raises:
        typer.Exit: With `EXIT_USAGE` for wrong usage, a place that cannot be written among it, `EXIT_FAULT` for faulty
            data, weights or runs, and for a full disk, 130 for Ctrl-C.
    """
    from shared.errors import ConfigError, UnknownNameError

    try:
        yield
    except (ConfigError, UnknownNameError, UsageError) as error:
        raise _ended(f"error: {error}", EXIT_USAGE) from None
    except MedtlError as error:
        raise _ended(f"error: {error}", EXIT_FAULT) from None
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in OURS:
            raise
        raise _ended(f"error: {missing('this command', error.name)}", EXIT_USAGE) from None
    except BrokenPipeError:
        raise  # the reader of the output, such as `head`, has had enough: click ends in silence
    except OSError as error:
        ours = error.errno in REMEDIES
        then = "; the same command resumes" if resumes and ours else ""
        raise _ended(f"error: {system_words(error)}{then}", EXIT_FAULT if ours else EXIT_USAGE) from None
    except KeyboardInterrupt:
        raise _ended("interrupted; the same command resumes it", EXIT_INTERRUPTED) from None


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


def check_names(option: str, given: Sequence[str], allowed: Sequence[str]) -> None:
    """Checks that an option takes all names that it was given.

    Args:
        option: The option as it reads in the message (`--method`).
        given: Names from the command line; empty is allowed.
        allowed: Names that the option takes.

    Raises:
        UsageError: A name is not allowed; the message says the name, the near ones and all that are allowed.
    """
    for name in given:
        if name not in allowed:
            near = difflib.get_close_matches(name, allowed, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}? " if near else ""
            raise UsageError(f"{option}: unknown name {name!r}; {hint}allowed are {', '.join(allowed)}")


def show_summary(run: Path) -> None:
    """Prints what a finished run is fit for, its main results, and where its report is.

    Args:
        run: The run folder, with `report.json`.

    Raises:
        RunError: `report.json` is missing or damaged.
    """
    from shared.io.atomic import read_json
    from shared.runs.folder import is_released
    from shared.runs.verdict import read_verdict

    for line in (*read_verdict(run).lines, *read_json(run / "report.json")["summary"]):
        typer.echo(line)
    name, file = ("model card", "model_card.md") if is_released(run) else ("report", "report.html")
    typer.echo(f"{name}: {run / file}")


def shown_name(run: Path) -> str:
    """Returns what a person calls a run: its folder, or the name alone of a released model."""
    from shared.runs.folder import is_released

    return run.name if is_released(run) else str(run)


def json_line(tree: Mapping[str, Any]) -> str:
    """Writes one answer as JSON text in a single line, without a line break at its end.

    Args:
        tree: The answer as plain data; NaN and infinity are not allowed.
    """
    line = json.dumps(tree, ensure_ascii=False, allow_nan=False)
    return line.encode("utf-8", "backslashreplace").decode()  # a file name need not be UTF-8; JSON knows \udcff


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


def write_predictions(out: Path | None, lines: list[str]) -> None:
    """Writes `predictions.jsonl` into a folder.

    Args:
        out: The folder, which exists; None: nothing is written.
        lines: One JSON object each, without a line break.
    """
    from shared.io.atomic import write_text

    if out is not None:
        write_text(out / "predictions.jsonl", "".join(f"{line}\n" for line in lines))
