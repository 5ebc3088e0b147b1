"""The command `compare`.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.cli.support import EXIT_FAULT, RUNS, make_folder, reported
from shared.progress import progress_bars

if TYPE_CHECKING:
    from shared.task import Task


def add(app: typer.Typer, task: "Task") -> None:
    """Adds the command `compare`, which compares backbones, strategies and seeds, to a command line.

    Args:
        app: The command line to add it to.
        task: The application that the command works for.
    """

    @app.command()
    def compare(
        comparison: Annotated[
            Path,
            typer.Argument(
                metavar="COMPARISON", help=f"YAML file of the comparison, like configs/{task.name}/compare.yaml."
            ),
        ],
        overrides: Annotated[
            list[str] | None,
            typer.Argument(metavar="[KEY=VALUE]...", help="Overrides of the file's `base`, e.g. data.source=x.zip."),
        ] = None,
        cluster: Annotated[
            str | None,
            typer.Option(metavar="ADDRESS", help="Train on a Ray cluster (auto, host:6379) with a shared file system."),
        ] = None,
    ) -> None:
        """Compare backbones, strategies and seeds.

        Every combination of backbone, strategy, label budget and seed is trained and tested. Where seeds share one
        division of the data (data.split.seed in base), the mean of their answers is a row too. The results are printed
        and lie under runs/compare/NAME as compare.html, .json, .csv and .tex. The same command again resumes. A run
        that fails does not stop the others; it makes the exit code 1, and is tried again the next time.
        """
        with reported(resumes=True):
            from shared.experiments.comparison.plan import load_comparison

            plan = load_comparison(task, comparison, overrides or ())
            from shared.experiments.comparison.report import write_comparison
            from shared.experiments.comparison.run import FOLDER, run_comparison
            from shared.experiments.comparison.text import as_text

            workers = None
            if cluster is not None:
                from shared.processes.ray import RayWorkers

                workers = RayWorkers(cluster)
            folder = RUNS / FOLDER / plan.name
            make_folder(folder)
            with progress_bars() as progress:
                tree = run_comparison(task, plan, root=RUNS, progress=progress, workers=workers)
            for line in as_text(tree):
                typer.echo(line)
            write_comparison(tree, task.title, folder)
            typer.echo(f"report: {folder / 'compare.html'}")
            if any(row["failures"] for row in tree["rows"]):
                raise typer.Exit(EXIT_FAULT)
