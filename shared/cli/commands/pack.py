"""The command `pack`.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.api import Application
from shared.cli.arguments import RunArgument
from shared.cli.help import Topic, examples
from shared.cli.support import reported
from shared.errors import UsageError

if TYPE_CHECKING:
    from shared.task import Task


def add(app: typer.Typer, task: "Task") -> None:
    """Adds the command `pack`, which makes a model that comes with the package of a run, to a command line.

    Args:
        app: The command line to add it to.
        task: The application that the command works for.
    """

    @app.command(
        rich_help_panel=Topic.TRAIN,
        epilog=examples(
            task,
            "pack pilot small --licences licences.txt",
            "pack pilot small --licences licences.txt --images {data} --out models",
        ),
    )
    def pack(
        run: RunArgument,
        name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the model, e.g. brain-mri.")],
        licences: Annotated[
            Path,
            typer.Option(
                metavar="FILE",
                help="Text file with the licences of the model and of its data, one a line, e.g. 'WHAT: CC BY 4.0'.",
            ),
        ],
        images: Annotated[
            Path | None,
            typer.Option(
                metavar="DATA", help="Images on which the model is compared with the run; without it, those of the run."
            ),
        ] = None,
        out: Annotated[
            Path | None,
            typer.Option(help="Folder in which the model's folder is made; without it, that of the package."),
        ] = None,
    ) -> None:
        """Make a run a model of the package.

        The model is small, holds no pictures and no paths, and is not changed any more. Its weights are stored in half
        precision where that keeps answers; the differences are measured, and stand in its model card.
        """
        with reported():
            from shared.runs.released import released_bytes

            stated = _lines(licences)
            made, release = Application(task).load_run(run).pack(name, stated, images=images, out=out)
            typer.echo(f"{made.folder}: {released_bytes(made.folder) / 1e6:.1f} MB, weights as {release.precision}")
            typer.echo(release.words)


def _lines(path: Path) -> list[str]:
    """The lines of a text file that are not empty.

    Raises:
        UsageError: There is no such file, or no line in it.
    """
    if not path.is_file():
        raise UsageError(f"{path} is no file; name a text file with the licences of the model and of its data")
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError:
        raise UsageError(f"{path} is no text file; write the licences into one, a line each") from None
    if not lines:
        raise UsageError(f"{path} names no licence; write those of the model and of its data, a line each")
    return lines
