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

if TYPE_CHECKING:
    from shared.config.schema import Config

RUNS = Path("runs")
EXIT_FAULT, EXIT_USAGE, EXIT_REFUSED, EXIT_NOT_ASSESSED, EXIT_INTERRUPTED = 1, 2, 3, 4, 130
OURS = ("shared", "medtl", "handwriting")
"""Packages of this project: one that is missing is a defect of ours, not an extra that was not installed."""

Names = Callable[[], Sequence[str]]
"""Looks up the names that an option takes; called only when they are needed, for it may import torch."""
AnyCommand = TypeVar("AnyCommand", bound=Callable[..., None])
Result = TypeVar("Result")


def settings_of(config: Path | None, overrides: Sequence[str] | None) -> Config:
    """Reads a configuration file, and applies the overrides to it.

    Args:
        config: The YAML file, or a first override that stands where the file would; None: the defaults.
        overrides: `key.sub=value` words of the command line; None: none.

    Raises:
        ConfigError: The file cannot be read, or a key or value is not allowed.
    """
    from shared.config.read import load_config

    words = list(overrides or [])
    if config is not None and "=" in str(config) and not config.exists():
        words.insert(0, str(config))
        config = None
    if config is not None:
        _refuse_no_config(config, words)
    return load_config(config, words)


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
            near = difflib.get_close_matches(key, allowed, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise UsageError(f"{word!r}: this command takes no such setting; {hint}allowed are {', '.join(allowed)}")
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
        advice = "install it with: pip install 'medtl[train]'"
        raise _ended(f"error: this command needs {error.name}; {advice}", EXIT_USAGE) from None
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


def check_names(
    option: str, given: Sequence[str], allowed: Sequence[str], *, shown: Sequence[str] | None = None
) -> None:
    """Checks that an option takes all names that it was given.

    Args:
        option: The option as it reads in the message (`--method`).
        given: Names from the command line; empty is allowed.
        allowed: Names that the option takes.
        shown: Those of them that the message lists; None: all.

    Raises:
        UsageError: A name is not allowed; the message says the name, the near ones and those that are allowed.
    """
    for name in given:
        if name not in allowed:
            near = difflib.get_close_matches(name, allowed, n=3)
            hint = f"did you mean {' or '.join(near)}? " if near else ""
            listed = ", ".join(allowed if shown is None else shown)
            raise UsageError(f"{option}: unknown name {name!r}; {hint}allowed are {listed}")


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
