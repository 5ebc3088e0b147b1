"""The command `backbones`.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from typing import TYPE_CHECKING, Annotated

import typer

from shared.api import Application
from shared.cli.help import Topic, examples
from shared.cli.support import reported, show

if TYPE_CHECKING:
    from shared.task import Task


def add(app: typer.Typer, task: "Task") -> None:
    """Adds the command `backbones`, which lists the networks that can be trained, to a command line.

    Args:
        app: The command line to add it to.
        task: The application that the command works for.
    """

    @app.command(
        rich_help_panel=Topic.TRAIN,
        epilog=examples(
            task,
            "backbones",
            "backbones --all --time",
        ),
    )
    def backbones(
        everything: Annotated[
            bool, typer.Option("--all", help="Count the sizes of networks without weights here, too: takes seconds.")
        ] = False,
        time: Annotated[
            bool, typer.Option("--time", help="Measure the time for one image with each network that has a size.")
        ] = False,
    ) -> None:
        """List networks, and the weights that are here.

        Each with the channels and size of its input, the licence and source, its stages and default layer, which
        weights are here, what they were trained on, and, where some are here or none are published, its size up to the
        default layer.
        """
        with reported():
            Application(task).backbones(everything=everything, timed=time, each=lambda one: show(one.lines))
