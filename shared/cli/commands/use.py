"""The command `use`.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from typing import TYPE_CHECKING

import typer

from shared.cli.arguments import RunArgument
from shared.cli.help import Topic, examples
from shared.cli.support import RUNS, reported, shown_name

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
            from shared.runs.certificate import restated
            from shared.runs.chosen import set_default
            from shared.runs.folder import check_finished
            from shared.runs.listing import read_run
            from shared.runs.verdict import read_verdict

            check_finished(run)
            chosen = set_default(RUNS, task.name, run)
            typer.echo(f"default of {task.name}: {shown_name(chosen.folder)}")
            found = read_run(chosen.folder)
            record = restated(found.record, chosen.chosen_among)
            typer.echo(f"  fit for: {read_verdict(chosen.folder, record).short}")
            typer.echo(f"  {found.provenance.words}")
            if chosen.chosen_among > 1:
                typer.echo(
                    f"  chosen among {chosen.chosen_among} models on the same data: epochs, settings, and the runs "
                    "beside it"
                )
