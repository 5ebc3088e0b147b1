"""The command `audit`.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shared.api import Application
from shared.cli.arguments import DataArgument
from shared.cli.help import Topic, examples
from shared.cli.hooks import adds_options_of
from shared.cli.support import EXIT_REFUSED, reported, show

if TYPE_CHECKING:
    from shared.progress import Progress
    from shared.samples import Dataset
    from shared.task import Task

FurtherSearch = Callable[..., Iterable[str]]
"""Takes the dataset, the folder for results (or None), a `Progress` and, keyword-only, options of the application;
gives the lines to print, and then writes files of its own into the folder."""


def no_further_search(dataset: "Dataset", out: Path | None, progress: "Progress") -> Iterable[str]:
    """Returns no lines: the default hook of `audit`, for an application that adds no search of its own.

    Args:
        dataset: The audited samples; not used.
        out: Folder for results, or None; not used.
        progress: Receives progress; not used.

    Returns:
        An empty sequence, in place of lines to print.
    """
    return ()


def add(app: typer.Typer, task: "Task", search_further: FurtherSearch = no_further_search) -> None:
    """Adds the command `audit`, which finds copies, label conflicts and bad files, to a command line.

    Args:
        app: The command line to add it to.
        task: The application that reads the images.
        search_further: Searches more after the audit. It takes the dataset, the folder for results (or None), a
            `Progress` and, keyword-only, options of the application, and returns lines to print.
    """

    @app.command(
        rich_help_panel=Topic.DATA,
        epilog=examples(
            task,
            "audit {data}",
            "audit {data} data.classes.unclear=leave_out --out findings",
        ),
    )
    @adds_options_of(search_further)
    def audit(
        data: DataArgument,
        overrides: Annotated[
            list[str] | None,
            typer.Argument(
                metavar="[KEY=VALUE]...",
                help="Settings of the training that is meant, e.g. data.classes.pred=leave_out or data.leaks=drop.",
            ),
        ] = None,
        out: Annotated[
            Path | None,
            typer.Option(help="Also write audit.html, audit.json, pairs.csv and pairs.png into this folder."),
        ] = None,
        **extra: Any,
    ) -> None:
        """Find copies, label conflicts and bad files.

        Copies of one picture in several splits are leaks; copies with different labels contradict each other. Exit
        code 3: training would refuse the data.
        """
        with reported():
            found = Application(task).audit(
                data, settings=overrides, out=out, search_further=lambda *given: search_further(*given, **extra)
            )
            show(found.lines)
        if found.refusals:
            raise typer.Exit(EXIT_REFUSED)
