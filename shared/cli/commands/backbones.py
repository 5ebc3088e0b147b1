"""The command `backbones`.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from typing import TYPE_CHECKING

import typer

from shared.cli.support import reported

if TYPE_CHECKING:
    from shared.task import Task


def add(app: typer.Typer, task: "Task") -> None:
    """Adds the command `backbones`, which lists the networks that can be trained, to a command line.

    Args:
        app: The command line to add it to.
        task: The application that the command works for.
    """

    @app.command()
    def backbones() -> None:
        """List the networks that can be trained.

        Each with the channels and size of its input, its stages, its default layer, and the licence and source of its
        pretrained weights.
        """
        with reported():
            from shared.models.backbones.record import BACKBONES

            task.register_backbones()
            for name in BACKBONES:
                record = BACKBONES.get(name)
                typer.echo(
                    f"{name}: {record.channels} channel(s), {record.input_size} px, {record.licence}, {record.source}"
                )
                typer.echo(f"    stages {' '.join(record.stages)}; default layer {record.default_layer}")
