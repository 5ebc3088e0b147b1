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
        measured: Annotated[
            Path | None,
            typer.Option(
                metavar="FILE",
                help="Markdown file with what was measured of the model apart from its run, for its model card.",
            ),
        ] = None,
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
            found = "" if measured is None else _text(measured, "with what was measured of the model")
            made, release = Application(task).load_run(run).pack(name, stated, measured=found, images=images, out=out)
            typer.echo(f"{made.folder}: {released_bytes(made.folder) / 1e6:.1f} MB, weights as {release.precision}")
            typer.echo(release.words)


def _lines(path: Path) -> list[str]:
    """The lines of a text file that are not empty."""
    text = _text(path, "with the licences of the model and of its data, a line each")
    return [line.strip() for line in text.splitlines() if line.strip()]


def _text(path: Path, content: str) -> str:
    """The content of a text file that is not empty.

    Args:
        path: The file.
        content: What the file should hold, for the error: "with the licences".

    Raises:
        UsageError: There is no such file, it is not text, or nothing is in it.
    """
    if not path.is_file():
        raise UsageError(f"{path} is no file; name a text file {content}")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not text in UTF-8; name a text file {content}") from None
    if not text.strip():
        raise UsageError(f"{path} is empty; name a text file {content}")
    return text
