"""The command `ensemble`.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from shared.api import Application
from shared.cli.arguments import AVERAGE_HELP
from shared.cli.help import Topic, examples
from shared.cli.support import reported, show

if TYPE_CHECKING:
    from shared.task import Task


def add(app: typer.Typer, task: "Task") -> None:
    """Adds the command `ensemble`, which makes the mean of several models a model, to a command line.

    Args:
        app: The command line to add it to.
        task: The application that the command works for.
    """

    @app.command(
        rich_help_panel=Topic.TRAIN,
        epilog=examples(
            task,
            "ensemble pilot second third",
            "ensemble pilot second --average weights --out runs/mean",
        ),
    )
    def ensemble(
        runs: Annotated[
            list[Path],
            typer.Argument(metavar="RUN RUN...", help="Finished runs on the same division of the same data, or names."),
        ],
        average: Annotated[Literal["auto", "answers", "weights"], typer.Option(help=AVERAGE_HELP)] = "auto",
        data: Annotated[
            Path | None,
            typer.Option(help="The data of the runs, where they lie elsewhere than at the training; else not needed."),
        ] = None,
        out: Annotated[
            Path | None, typer.Option(help="Folder of the new run; without it, a new one under runs/.")
        ] = None,
    ) -> None:
        """Make the mean of several models a model.

        The new run holds all of them, and is calibrated, given a threshold, certified and tested like any other; the
        runs stay as they are. They must share the division of their data: see data.split.seed, and train --seeds.
        """
        with reported(resumes=True):
            show(Application(task).ensemble(runs, average=average, data=data, out=out).lines)
