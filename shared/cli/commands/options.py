"""The command `options`: every key that YAML can set, and every name that an option of a command takes.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer
from typer.main import get_command_name

from shared.cli.help import Topic, examples
from shared.cli.support import Names, check_names, names_of, reported
from shared.strategies import describe_traits, find_strategy, strategy_names

if TYPE_CHECKING:
    from pydantic import BaseModel

    from shared.task import Task

CONFIG_SECTIONS = ("data", "backbone", "decision")
"""Sections of a configuration that can be listed alone."""
Section = Callable[[], Iterator[str]]
"""Gives the lines of one part of the list; what they need is imported then."""


def add(app: typer.Typer, task: "Task") -> None:
    """Adds the command `options`, which lists the keys of a configuration, to a command line.

    Args:
        app: The command line to add it to.
        task: The application that the command works for.
    """

    @app.command(
        rich_help_panel=Topic.TRAIN,
        epilog=examples(
            task,
            "options data.split",
            "options linear_probe",
        ),
    )
    def options(
        section: Annotated[
            str | None,
            typer.Argument(
                metavar="[SECTION]", help="Only this part: config, data, backbone, decision, a strategy, or a command."
            ),
        ] = None,
    ) -> None:
        """List the keys of a configuration.

        Each key with its default and its meaning, those of each strategy and of a comparison too; then the names that
        options of commands take.
        """
        with reported():
            sections = _sections(app, task)
            parts: dict[str, Section] = {name: partial(_config_lines, task, f"{name}.") for name in CONFIG_SECTIONS}
            if section is not None:
                check_names("SECTION", [section], [*sections, *parts])
            for lines in sections.values() if section is None else [{**sections, **parts}[section]]:
                for line in lines():
                    typer.echo(line)


def _sections(app: typer.Typer, task: "Task") -> Mapping[str, Section]:
    """Every part of the list by its name, in order."""
    strategies = {name: partial(_strategy_lines, name) for name in strategy_names()}
    commands = {}
    for command in app.registered_commands:
        if command.callback is not None and (names := names_of(command.callback)):
            called = command.name or get_command_name(command.callback.__name__)
            commands[called] = partial(_name_lines, f"{task.name} {called}", names)
    return {
        "config": partial(_config_lines, task),
        **strategies,
        "compare": partial(_comparison_lines, task),
        **commands,
    }


def _config_lines(task: "Task", prefix: str = "") -> Iterator[str]:
    from shared.config.describe import describe
    from shared.config.schema import Config
    from shared.pipeline.preflight import decision_kinds

    for key, default, meaning in describe(Config):
        if key == "data.options":
            default = json.dumps(task.default_options)
        if key == "decision" and "decision.".startswith(prefix):
            yield from _model_lines(decision_kinds(task)[0], "decision.")
        elif key not in ("strategy", "decision") and key.startswith(prefix):
            yield _line(key, default, meaning)


def _strategy_lines(name: str) -> Iterator[str]:
    yield f"with strategy.name = {name} ({describe_traits(name)}):"
    yield from _model_lines(find_strategy(name).options, "strategy.")


def _comparison_lines(task: "Task") -> Iterator[str]:
    from shared.experiments.comparison.plan import Comparison

    yield f"in the file of `{task.name} compare`:"
    yield from _model_lines(Comparison, "")


def _name_lines(command: str, names: Mapping[str, Names]) -> Iterator[str]:
    yield f"names for `{command}`:"
    for option, look_up in names.items():
        yield f"--{option.replace('_', '-')}\n    {', '.join(look_up())}"


def _model_lines(model: "type[BaseModel]", prefix: str) -> Iterator[str]:
    from shared.config.describe import describe

    for key, default, meaning in describe(model, prefix):
        yield _line(key, default, meaning)


def _line(key: str, default: str, meaning: str) -> str:
    return f"{key} = {default}\n    {meaning}"
