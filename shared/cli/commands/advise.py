"""The command `advise`.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.api import Application
from shared.cli.arguments import DataArgument
from shared.cli.help import Topic, examples
from shared.cli.support import reported, show

if TYPE_CHECKING:
    from shared.task import Task


def add(app: typer.Typer, task: "Task") -> None:
    """Adds the command `advise`, which measures which settings suit a dataset, to a command line.

    Args:
        app: The command line to add it to.
        task: The application that the command works for.
    """

    @app.command(
        rich_help_panel=Topic.MEASURE,
        epilog=examples(
            task,
            "advise {data}",
            "advise {data} backbone.size=96 --out advice",
        ),
    )
    def advise(
        data: DataArgument,
        overrides: Annotated[
            list[str] | None,
            typer.Argument(
                metavar="[KEY=VALUE]...",
                help="Settings to keep: keys of data, seed, device and the input size, e.g. backbone.size=96.",
            ),
        ] = None,
        weights: Annotated[
            list[Path] | None,
            typer.Option(
                help="Pretrained weights to try too: a file, a folder of files, or a finished run. May be repeated. "
                "Those in MEDTL_WEIGHTS and torch's cache are found without it."
            ),
        ] = None,
        out: Annotated[
            Path | None,
            typer.Option(help="Also write advice.html, advice.json, and advised.yaml for `train`, into this folder."),
        ] = None,
    ) -> None:
        """Measure which settings suit a dataset.

        Backbones, strategies, layers and learning rates are tried on parts of DATA; its test set is not looked at. The
        advice is a configuration to begin with.
        """
        with reported():
            found = Application(task).advise(data, settings=overrides, weights=weights or (), out=out)
            show(found.lines)
            if out is not None:
                typer.echo(f"report: {out / 'advice.html'}")
                typer.echo(f"next: {task.name} train {out / 'advised.yaml'}")
