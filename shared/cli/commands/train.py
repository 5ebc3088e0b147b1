"""The command `train`.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.cli.arguments import ConfigArgument, OverridesArgument
from shared.cli.support import RUNS, reported, settings_of, show_summary
from shared.progress import progress_bars
from shared.strategies import strategy_names

if TYPE_CHECKING:
    from shared.task import Task


def add(app: typer.Typer, task: "Task") -> None:
    """Adds the command `train`, which trains a model and evaluates it, to a command line.

    Args:
        app: The command line to add it to.
        task: The application that the command works for.
    """

    @app.command(epilog=f"Strategies: {', '.join(strategy_names())}. `{task.name} options` lists all keys.")
    def train(
        config: ConfigArgument = None,
        overrides: OverridesArgument = None,
        out: Annotated[Path | None, typer.Option(help="Folder of the run; without it, a new one under runs/.")] = None,
    ) -> None:
        """Train a model and evaluate it.

        The model, its evaluation on the test set and its report lie in the folder of the run. The same command again
        resumes a training that was interrupted.
        """
        with reported(resumes=True):
            settings = settings_of(config, overrides)  # its faults are told before torch is imported
            from shared.pipeline.train import run

            with progress_bars() as progress:
                folder = run(task, settings, root=RUNS, out=out, progress=progress)
            show_summary(folder)
