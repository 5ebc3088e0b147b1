"""The command `report`.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from typing import TYPE_CHECKING

import typer

from shared.api import Application
from shared.cli.arguments import NamedRunArgument
from shared.cli.help import Topic, examples
from shared.cli.support import reported, show

if TYPE_CHECKING:
    from shared.task import Task


def add(app: typer.Typer, task: "Task") -> None:
    """Adds the command `report`, which prints the main results of a run or lists all reports, to a command line.

    Args:
        app: The command line to add it to.
        task: The application that the command works for.
    """

    @app.command(
        rich_help_panel=Topic.MEASURE,
        epilog=examples(
            task,
            "report pilot",
            "report runs/pilot > summary.txt",
        ),
    )
    def report(run: NamedRunArgument = None) -> None:
        """Print the main results of a run.

        The last line says where its full report (HTML) lies. Without RUN, all reports under runs/ are listed on one
        page with links.
        """
        with reported():
            known = Application(task)
            show(known.index().lines if run is None else known.load_run(run).lines)
