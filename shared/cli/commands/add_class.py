"""The command `add-class`.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.cli.arguments import find_run
from shared.cli.help import Topic, examples
from shared.cli.support import reported
from shared.errors import UsageError

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
        model: Annotated[
            Path, typer.Option(metavar="RUN", callback=find_run, help="Folder of a finished run; it is not changed.")
        ],
        out: Annotated[Path, typer.Option(help="A new folder, for the run that also knows the new class.")],
    ) -> None:
        """Add a class to a model from a few examples.

        Nothing is trained. What validation had certified of the run (sensitivity, error) does not hold for the new one.
        """
        with reported():
            from shared.pipeline.add_class import add_class as write_extended
            from shared.pipeline.add_class import check_model, describe_addition
            from shared.runs.record import read_model_record

            check_model(task, model)
            items = list(task.read_inputs(images))
            if refused := [item for item in items if item.refusal is not None]:
                raise UsageError(f"{refused[0].name} {refused[0].refusal}; give examples that can be judged")
            pictures = [pixels for item in items for pixels in item.slices]
            folder = write_extended(task, model, name, pictures, out)
            for line in describe_addition(task, name, len(pictures), read_model_record(model)):
                typer.echo(line)
            typer.echo(f"{folder}: predict with --model {folder}")
