"""The commands of an application as one group: listed by topic, and each fault of a call told in one line."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import typer
from click.exceptions import NoArgsIsHelpError
from typer.core import TyperGroup

from shared.cli.help import Topic
from shared.cli.support import EXIT_USAGE, reported
from shared.cli.usage import usage_words
from shared.errors import UsageError
from shared.registry import unknown_name

OTHERS = "Commands"
"""Heading of commands that state no topic."""
NO_OUTPUT = "standard output is closed, so no answer could be read; send it to a file, a pipe or /dev/null"


class CommandGroup(TyperGroup):
    """The commands of an application."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands with their summaries, under the headings of their topics."""
        shown = [(name, command) for name, command in sorted(self.commands.items()) if not command.hidden]
        width = max((len(name) for name, _ in shown), default=0)
        for topic in (*Topic, OTHERS):
            rows = [
                (name.ljust(width), command.get_short_help_str(formatter.width))
                for name, command in shown
                if _topic(command) == topic
            ]
            if rows:
                with formatter.section(topic):
                    formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Finds the command that the words name.

        Raises:
            click.UsageError: There is none; the message says the near ones, or how to classify a file.
        """
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            ctx.fail(_no_command(self, ctx, name))
        return super().resolve_command(ctx, args)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Runs the command that the words of a call name, and ends the process with its exit code.

        Args:
            args: The words; None: those of the process.
            prog_name: Name of the program in messages; None: that by which it was called.
            complete_var: Variable of the shell completion; None: the usual one.
            standalone_mode: Whether to end the process; else errors are raised, and the result is returned.
            windows_expand_args: Whether patterns of file names are expanded on Windows.
            extra: Arguments of the context.
        """
        words = sys.argv[1:] if args is None else list(args)

        def run() -> Any:
            return super(CommandGroup, self).main(
                words, prog_name, complete_var, standalone_mode=False, windows_expand_args=windows_expand_args, **extra
            )

        if not standalone_mode:
            return run()
        try:
            with reported():
                _require_streams()
                try:
                    code = run()
                except NoArgsIsHelpError as error:
                    error.show()
                    code = EXIT_USAGE
                except click.ClickException as error:
                    raise UsageError(usage_words(error, words, self)) from None
        except typer.Exit as ended:
            code = ended.exit_code
        sys.exit(code if isinstance(code, int) else 0)


def _topic(command: click.Command) -> str:
    return getattr(command, "rich_help_panel", None) or OTHERS


def _require_streams() -> None:
    """Makes sure that what is printed goes somewhere.

    Raises:
        UsageError: Standard output is closed.
    """
    if sys.stderr is None:  # print() would write to standard output in its place
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - as long as the process
    if sys.stdout is None:
        raise UsageError(NO_OUTPUT)


def _no_command(group: click.Group, ctx: click.Context, name: str) -> str:
    """What is wrong with the name of a command, and what to do."""
    known = sorted(group.commands)
    if "predict" in known and Path(name).exists():
        return f"{name!r} is no command but a path; to classify it: {ctx.command_path} predict {name}"
    return unknown_name("command", name, known)
