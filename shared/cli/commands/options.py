"""The command `options`: configurations by name, every key that YAML can set, every name that an option takes.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.main import get_command_name

from shared.cli.help import Topic, examples
from shared.cli.support import Names, names_of, reported
from shared.errors import UsageError
from shared.registry import check_names
from shared.strategies import describe_traits, find_strategy, strategy_names

if TYPE_CHECKING:
    from pydantic import BaseModel

    from shared.config.describe import Row
    from shared.task import Task

STRATEGY = "strategy"
"""Section whose keys each strategy has of its own."""
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
            "options configs",
            "options data.split",
            "options linear_probe",
        ),
    )
    def options(
        section: Annotated[
            str | None,
            typer.Argument(
                metavar="[SECTION]",
                help="Only this part: configs (by name), config, a section (data, data.split, strategy), a key, a "
                "strategy, or a command.",
            ),
        ] = None,
        schema: Annotated[
            bool,
            typer.Option("--schema", help="Print the JSON Schema of a configuration; with `compare`, of a comparison."),
        ] = False,
    ) -> None:
        """List configurations and their keys.

        The configurations that come with the application; each key with its default and its meaning, those of each
        strategy and of a comparison too; then the names that options of commands take. With the schema of --schema in a
        file, editors complete the keys of a configuration that says: # yaml-language-server: $schema=FILE
        """
        with reported():
            if schema:
                if section not in (None, "config", "compare"):
                    raise UsageError(f"--schema: there is none of {section!r} alone; allowed are config and compare")
                typer.echo(json.dumps(_schema(task, comparison=section == "compare"), indent=1, ensure_ascii=False))
                return
            sections = _sections(app, task)
            if section is None:
                chosen = list(sections.values())
            elif section in sections:
                chosen = [sections[section]]
            else:
                chosen = _within(task, section, list(sections))
            for lines in chosen:
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
        "configs": partial(_named_lines, task),
        "config": partial(_config_lines, task),
        **strategies,
        "compare": partial(_comparison_lines, task),
        **commands,
    }


def _named_lines(task: "Task") -> Iterator[str]:
    from shared.config.named import COMMANDS, first_sentence, list_configs

    for kind, command in COMMANDS.items():
        named = list_configs(task.name, kind)
        if named:
            yield f"{kind}s by name, for `{task.name} {command} NAME`:"
        for name, path in named.items():
            yield f"{name}\n    {first_sentence(path)}"


def _schema(task: "Task", *, comparison: bool) -> dict[str, Any]:
    from shared.config.json_schema import comparison_schema, config_schema
    from shared.experiments.comparison.plan import Comparison
    from shared.pipeline.preflight import decision_kinds

    strategies = {name: find_strategy(name).options for name in strategy_names()}
    decision = decision_kinds(task)[0]
    return comparison_schema(Comparison, strategies, decision) if comparison else config_schema(strategies, decision)


def _within(task: "Task", section: str, parts: Sequence[str]) -> list[Section]:
    """The keys of a configuration within a section, or one key; of `strategy` those of every strategy.

    Raises:
        UsageError: There is no such part; the message lists the near ones and all.
    """
    if section == STRATEGY:
        return [partial(_strategy_lines, name) for name in strategy_names()]
    keys = [key for key, _, _ in _config_rows(task)]
    if not any(_is_in(key, section) for key in keys):
        above = {key[:end] for key in keys for end, letter in enumerate(key) if letter == "."}
        shown = list(dict.fromkeys([*parts, STRATEGY, *sorted(above)]))
        check_names("SECTION", [section], list(dict.fromkeys([*shown, *keys])), shown=shown)
    return [partial(_config_lines, task, section)]


def _is_in(key: str, section: str) -> bool:
    return f"{key}.".startswith((f"{section}.", f"{section}[]."))


def _config_lines(task: "Task", section: str = "") -> Iterator[str]:
    for key, default, meaning in _config_rows(task):
        if not section or _is_in(key, section):
            yield _line(key, default, meaning)


def _config_rows(task: "Task") -> Iterator["Row"]:
    """Every key of a configuration but those of strategies, as they are in an application."""
    from shared.config.describe import describe
    from shared.config.schema import Config
    from shared.pipeline.preflight import decision_kinds

    for key, default, meaning in describe(Config):
        if key == "data.options":
            yield key, json.dumps(task.default_options), meaning
        elif key == "data.source":
            yield key, default, meaning.replace("images;", f"images ({task.synthetic_name});")
        elif key == "decision":
            yield from describe(decision_kinds(task)[0], "decision.")
        elif key != STRATEGY:
            yield key, default, meaning


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
