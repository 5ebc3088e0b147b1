"""The command line of an application: every file of a commands package is one command."""

from __future__ import annotations

import importlib
import logging
import pkgutil
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, TypeAlias

import click
import typer

from shared.cli.group import CommandGroup
from shared.io.private_folders import clear_dead
from shared.processes.threads import let_idle_threads_sleep

if TYPE_CHECKING:
    from shared.task import Task

COMMANDS = "shared.cli.commands"

AddCommand: TypeAlias = "Callable[[typer.Typer, Task], None]"
"""The function `add` of a command's file: adds the command to the application of a task."""


def build_app(task: Task, own_commands: str | None = None) -> typer.Typer:
    """Builds the command line of an application from the files of its commands.

    The files import nothing heavy until their command runs, so that `--help` answers at once.

    Args:
        task: The application.
        own_commands: Dotted name of the package with the application's own commands; a file with the name of a shared
            one takes its place. None: the shared commands alone.

    Returns:
        The command line, to be called without arguments.
    """
    # plain help and no rich tracebacks: importing rich's markdown would double the time to the first line
    app = typer.Typer(
        name=task.name,
        cls=CommandGroup,
        help=task.title,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(_begin)
    for add in _find_commands(COMMANDS, *([own_commands] if own_commands else [])):
        add(app, task)
    return app


def _find_commands(*packages: str) -> list[AddCommand]:
    """The function `add` of every file of the packages, by file name; of two with one name, that of the later package.

    A file that begins with `_` is no command.
    """
    found: dict[str, str] = {}
    for package in packages:
        for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
            if not module.name.startswith("_"):
                found[module.name] = f"{package}.{module.name}"
    return [importlib.import_module(path).add for _, path in sorted(found.items())]


def _show_version(asked: bool) -> None:
    """Prints the version and ends the command, where that was asked for."""
    if asked:
        from shared.version import version_words

        typer.echo(version_words(str(click.get_current_context().find_root().command.name)))
        raise typer.Exit


def _begin(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what is done, on standard error.")] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_show_version, help="Print the version, and those it runs on."
        ),
    ] = False,
) -> None:
    let_idle_threads_sleep()
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO if verbose else logging.WARNING, format="%(name)s: %(message)s"
    )
    clear_dead()  # uploads of a server that was killed
