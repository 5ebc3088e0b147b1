"""The command `export`.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click
import typer

from shared.api import Application
from shared.cli.arguments import RunArgument
from shared.cli.help import Topic, examples
from shared.cli.support import reported
from shared.exports import layout_names

if TYPE_CHECKING:
    from shared.task import Task


def add(app: typer.Typer, task: "Task") -> None:
    """Adds the command `export`, which writes a run in the layout of others, to a command line.

    Args:
        app: The command line to add it to.
        task: The application that the command works for.
    """

    @app.command(
        rich_help_panel=Topic.USE,
        epilog=examples(
            task,
            "export pilot --as monai --out bundle",
            "export pilot --as huggingface --out repository --licence apache-2.0",
        ),
    )
    def export(
        run: RunArgument,
        out: Annotated[Path, typer.Option(metavar="DIR", help="A new folder to write.")],
        layout: Annotated[
            str,
            typer.Option(
                "--as",
                click_type=click.Choice(layout_names()),
                help="monai: a bundle that `monai.bundle run` runs; huggingface: a repository of the Hub.",
            ),
        ],
        licence: Annotated[
            str | None,
            typer.Option(metavar="NAME", help="Licence of the model by its short name, e.g. apache-2.0."),
        ] = None,
    ) -> None:
        """Export a run for MONAI or Hugging Face.

        Nothing is uploaded. No image, feature, digest or single prediction is written, and no path.
        """
        with reported():
            folder = Application(task).load_run(run).export(layout, out, licence=licence)
            typer.echo(f"{folder}: {run.name} as {layout}")
