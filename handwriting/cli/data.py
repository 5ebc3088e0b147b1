"""The commands `data ...`, which fetch published datasets.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.cli.group import CommandGroup
from shared.cli.help import Topic, examples
from shared.cli.support import reported

if TYPE_CHECKING:
    from shared.task import Task


class Published(StrEnum):
    """Datasets that can be fetched."""

    DHCD = "dhcd"


def add(app: typer.Typer, task: "Task") -> None:
    """Adds the commands `data ...` to the command line of an application.

    Args:
        app: The command line; it is changed in place.
        task: The application.
    """
    data = typer.Typer(cls=CommandGroup, help="Fetch published datasets.", no_args_is_help=True, rich_markup_mode=None)
    app.add_typer(data, name="data", rich_help_panel=Topic.DATA)

    @data.command(epilog=examples(task, "data download dhcd", "data download dhcd --to archives"))
    def download(
        name: Annotated[
            Published, typer.Argument(help="The dataset. dhcd: 92,000 Devanagari characters, CC BY 4.0, from UCI.")
        ],
        to: Annotated[Path, typer.Option(help="Folder for the archive.")] = Path("data"),
    ) -> None:
        """Fetch a dataset and check it pixel by pixel.

        What an earlier call had fetched is kept. Every image is compared with what was published.
        """
        with reported():
            from handwriting.api import download as fetch

            path = fetch(name.value, to=to)
            typer.echo(f"{path}: whole; train with data.source={path}")
