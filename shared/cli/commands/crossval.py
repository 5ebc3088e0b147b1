"""The command `crossval`.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from shared.api import Application
from shared.api.application import FOLDS
from shared.cli.arguments import ConfigArgument, OverridesArgument
from shared.cli.help import Topic, examples
from shared.cli.support import reported, show, split_words

if TYPE_CHECKING:
    from shared.task import Task


def add(app: typer.Typer, task: "Task") -> None:
    """Adds the command `crossval`, which cross-validates by folds or left-out domains, to a command line.

    Args:
        app: The command line to add it to.
        task: The application that the command works for.
    """

    @app.command(
        rich_help_panel=Topic.MEASURE,
        epilog=examples(
            task,
            "crossval data.source={data}",
            "crossval data.source={data} --folds 10 --repeats 3",
        ),
    )
    def crossval(
        config: ConfigArgument = None,
        overrides: OverridesArgument = None,
        folds: Annotated[
            int | None,
            typer.Option(min=2, help=f"Number of folds; each is the test set once. Default: {FOLDS}."),
        ] = None,
        repeats: Annotated[
            int, typer.Option(min=1, help="Repeats with another division into folds; with --leave-out, other seeds.")
        ] = 1,
        leave_out: Annotated[
            Literal["domain"] | None,
            typer.Option(
                help="Hold out one domain (scanner, collection) at a time in place of k folds; --folds is then refused."
            ),
        ] = None,
        keep: Annotated[
            bool, typer.Option("--keep", help="Keep each run whole, to answer inputs, with a report of its own.")
        ] = False,
        out: Annotated[
            Path | None, typer.Option(help="Also write crossval.json and crossval.html into this folder.")
        ] = None,
    ) -> None:
        """Cross-validate by folds or left-out domains.

        A model is trained and tested for each fold of each repeat, or for each domain and seed. Images of one group
        (patient, writer) and copies of one picture stay together.
        """
        with reported(resumes=True):
            named, words = split_words(config, overrides)
            found = Application(task).crossval(
                named, settings=words, folds=folds, repeats=repeats, leave_out=leave_out, keep=keep, out=out
            )
            show(found.lines)
