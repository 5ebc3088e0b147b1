"""The command `use`.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from typing import TYPE_CHECKING

import typer

from shared.api import Application
from shared.cli.arguments import RunArgument
from shared.cli.help import Topic, examples
from shared.cli.support import reported

if TYPE_CHECKING:
    from shared.task import Task


def add(app: typer.Typer, task: "Task") -> None:
    """Adds the command `use`, which chooses the model that answers by default, to a command line.

    Args:
        app: The command line to add it to.
        task: The application that the command works for.
    """

    @app.command(
        rich_help_panel=Topic.USE,
        epilog=examples(
            task,
            "use pilot",
            "use runs/pilot",
        ),
    )
    def use(run: RunArgument) -> None:
        """Choose the model that answers by default.

        Commands that are given no model take it from then on. A later training changes nothing: choose again. RUN may
        be the name of a model that comes with the package; `models` lists them.
        """
        with reported():
            chosen = Application(task).load_run(run).use()
            typer.echo(f"default of {task.name}: {chosen.shown_name}")
            typer.echo(f"  fit for: {chosen.verdict.short}")
            typer.echo(f"  {chosen.provenance.words}")
            if chosen.chosen_among > 1:
                typer.echo(
                    f"  chosen among {chosen.chosen_among} models on the same data: epochs, settings, and the runs "
                    "beside it"
                )
