"""The command `train`.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from shared.api import Application
from shared.cli.arguments import AVERAGE_HELP, ConfigArgument, OverridesArgument
from shared.cli.help import Topic, examples
from shared.cli.support import reported, show, split_words
from shared.strategies import strategy_names

if TYPE_CHECKING:
    from shared.task import Task


def add(app: typer.Typer, task: "Task") -> None:
    """Adds the command `train`, which trains a model and evaluates it, to a command line.

    Args:
        app: The command line to add it to.
        task: The application that the command works for.
    """

    @app.command(
        rich_help_panel=Topic.TRAIN,
        epilog=examples(
            task,
            "train data.source={data}",
            "train frozen data.source={data} seed=1",
            "train data.source={synthetic}",
            more=f"Strategies: {', '.join(strategy_names())}. `{task.name} options` lists all keys.",
        ),
    )
    def train(
        config: ConfigArgument = None,
        overrides: OverridesArgument = None,
        seeds: Annotated[
            int, typer.Option(min=1, help="Number of runs, of consecutive seeds, that share one division of the data.")
        ] = 1,
        ensemble: Annotated[
            bool,
            typer.Option("--ensemble", help="Make the mean of the runs of --seeds; they lie under runs/members."),
        ] = False,
        average: Annotated[
            Literal["auto", "answers", "weights"] | None,
            typer.Option(help=f"{AVERAGE_HELP} Needs --ensemble. Default: auto.", show_default=False),
        ] = None,
        out: Annotated[
            Path | None,
            typer.Option(help="Folder of the run, or of the ensemble; without it, a new one under runs/."),
        ] = None,
    ) -> None:
        """Train a model and evaluate it.

        The model, its evaluation on the test set and its report lie in the folder of the run. The same command again
        resumes a training that was interrupted.
        """
        with reported(resumes=True):
            named, words = split_words(config, overrides)
            made = Application(task).train(
                named, settings=words, seeds=seeds, ensemble=ensemble, average=average, out=out
            )
            for run in made if isinstance(made, list) else [made]:
                show(run.lines)
