"""The command `compare`.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.api import Application
from shared.api.application import COMPARISON
from shared.cli.arguments import complete_config
from shared.cli.help import Topic, examples
from shared.cli.support import EXIT_FAULT, reported, show, split_words

if TYPE_CHECKING:
    from shared.task import Task


def add(app: typer.Typer, task: "Task") -> None:
    """Adds the command `compare`, which compares backbones, strategies and seeds, to a command line.

    Args:
        app: The command line to add it to.
        task: The application that the command works for.
    """

    @app.command(
        rich_help_panel=Topic.MEASURE,
        epilog=examples(
            task,
            "compare data.source={data}",
            "compare compare_menu data.source={data}",
        ),
    )
    def compare(
        comparison: Annotated[
            Path | None,
            typer.Argument(
                metavar="[COMPARISON]",
                autocompletion=complete_config,
                help=f"Comparison: a name that `options configs` lists, or a YAML file. Default: {COMPARISON}.",
            ),
        ] = None,
        overrides: Annotated[
            list[str] | None,
            typer.Argument(metavar="[KEY=VALUE]...", help="Overrides of its `base`, e.g. data.source=x.zip."),
        ] = None,
        cluster: Annotated[
            str | None,
            typer.Option(metavar="ADDRESS", help="Train on a Ray cluster (auto, host:6379) with a shared file system."),
        ] = None,
        keep: Annotated[
            bool, typer.Option("--keep", help="Keep each run whole, to answer inputs, with a report of its own.")
        ] = False,
    ) -> None:
        """Compare backbones, strategies and seeds.

        Every combination of backbone, strategy, label budget and seed is trained and tested. Where seeds share one
        division of the data (data.split.seed in base), the mean of their answers is a row too. The results are printed
        and lie under runs/compare/NAME as compare.html, .json, .csv and .tex. The same command again resumes. A run
        that fails does not stop the others; it makes the exit code 1, and is tried again the next time. Of each run its
        numbers and weights are kept; --keep makes it whole.
        """
        with reported(resumes=True):
            named, words = split_words(comparison, overrides)
            found = Application(task).compare(named or COMPARISON, settings=words, cluster=cluster, keep=keep)
            show(found.lines)
            typer.echo(f"report: {found.report}")
            if found.failed:
                raise typer.Exit(EXIT_FAULT)
