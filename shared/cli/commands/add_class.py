"""The command `add-class`.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.api import Application
from shared.cli.help import Topic, examples
from shared.cli.support import reported, show

if TYPE_CHECKING:
    from shared.task import Task


def add(app: typer.Typer, task: "Task") -> None:
    """Adds the command `add-class`, which adds a class to a model from a few examples, to a command line.

    Args:
        app: The command line to add it to.
        task: The application that the command works for.
    """

    @app.command(
        rich_help_panel=Topic.TRAIN,
        epilog=examples(
            task,
            "add-class other {input} --model pilot --out runs/extended",
            "add-class other examples/ --model runs/pilot --out runs/extended",
        ),
    )
    def add_class(
        name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the new class.")],
        images: Annotated[
            list[Path], typer.Argument(metavar="IMAGES...", help=f"Examples of the class. {task.inputs_help}")
        ],
        model: Annotated[Path, typer.Option(metavar="RUN", help="Folder of a finished run; it is not changed.")],
        out: Annotated[Path, typer.Option(help="A new folder, for the run that also knows the new class.")],
    ) -> None:
        """Add a class to a model from a few examples.

        Nothing is trained. What validation had certified of the run (sensitivity, error) does not hold for the new one.
        """
        with reported():
            made = Application(task).load_run(model).add_class(name, images, out)
            show(made.notes)
            typer.echo(f"{made.folder}: predict with --model {made.folder}")
