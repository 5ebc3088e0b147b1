"""The command `report`.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from typing import TYPE_CHECKING

import typer

from shared.cli.arguments import NamedRunArgument
from shared.cli.support import RUNS, reported, show_summary
from shared.errors import UsageError

if TYPE_CHECKING:
    from shared.task import Task


def add(app: typer.Typer, task: "Task") -> None:
    """Adds the command `report`, which prints the main results of a run or lists all reports, to a command line.

    Args:
        app: The command line to add it to.
        task: The application that the command works for.
    """

    @app.command()
    def report(run: NamedRunArgument = None) -> None:
        """Print the main results of a run.

        The last line says where its full report (HTML) lies. Without RUN, all reports under runs/ are listed on one
        page with links.
        """
        with reported():
            if run is None:
                _write_index(task)
                return
            from shared.runs.folder import check_finished

            check_finished(run)
            show_summary(run)


def _write_index(task: "Task") -> None:
    """Writes the index of all reports and says where it lies."""
    if not RUNS.is_dir():
        raise UsageError(f"there is no folder {RUNS} here; name a RUN, or train a model first")
    from shared.reporting.index import write_index

    page, count = write_index(task, RUNS)
    typer.echo(f"{count} {'report' if count == 1 else 'reports'}")
    typer.echo(f"index: {page}")
