"""The command `advise`.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.cli.arguments import DataArgument
from shared.cli.support import RUNS, make_folder, reported
from shared.io.archives import require_paths
from shared.progress import progress_bars

if TYPE_CHECKING:
    from shared.task import Task


def add(app: typer.Typer, task: "Task") -> None:
    """Adds the command `advise`, which measures which settings suit a dataset, to a command line.

    Args:
        app: The command line to add it to.
        task: The application that the command works for.
    """

    @app.command()
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
            require_paths([data], "a folder, zip or manifest")
            make_folder(out)
            from shared.experiments.advice.advise import advise as measure
            from shared.experiments.advice.config import advised_settings
            from shared.experiments.advice.report import CONFIGURATION, write_advice
            from shared.experiments.advice.text import as_text

            settings = advised_settings(task, data, overrides or ())
            with progress_bars() as progress:
                tree, config = measure(task, settings, weights=weights or (), root=RUNS, progress=progress)
            for line in (*task.disclaimers, *as_text(tree, config)):
                typer.echo(line)
            if out is not None:
                write_advice(task, tree, config, out)
                typer.echo(f"report: {out / 'advice.html'}")
                typer.echo(f"next: {task.name} train {out / CONFIGURATION}")
