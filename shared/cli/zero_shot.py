"""The command `zero-shot`: the same in every application but for what is known of its classes.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.api import Application
from shared.api.zero_shot import ALL_METHODS, DIVISIONS, DRAWS, method_names
from shared.cli.arguments import ConfigArgument, OverridesArgument
from shared.cli.help import Topic, examples
from shared.cli.support import reported, show, split_words, takes_names

if TYPE_CHECKING:
    from shared.task import Task
    from shared.zero_shot.features import SideInformation

Knowledge = Callable[[], "SideInformation"]
"""Gives what the application knows of its classes; called when the command runs."""


def add_zero_shot(app: typer.Typer, task: "Task", knowledge: Knowledge) -> None:
    """Adds the command `zero-shot`, which recognises classes without training images, to a command line.

    Args:
        app: The command line to add it to.
        task: The application that the command works for.
        knowledge: Returns what the application knows of its classes; called when names of methods are listed, and when
            the command runs.
    """

    def methods_here() -> Sequence[str]:
        return method_names(knowledge())

    @app.command(
        rich_help_panel=Topic.MEASURE,
        epilog=examples(
            task,
            "zero-shot data.source={data} --draw 1",
            "zero-shot data.source={data} --draw 2 --seeds 10 --out unseen",
        ),
    )
    @takes_names(methods=methods_here)
    def zero_shot(
        config: ConfigArgument = None,
        overrides: OverridesArgument = None,
        unseen: Annotated[
            str | None, typer.Option(metavar="A,B,...", help="Classes of which no image is used in training.")
        ] = None,
        draw: Annotated[
            int | None, typer.Option(min=1, help="In place of --unseen: number of classes to draw at random.")
        ] = None,
        seeds: Annotated[
            int | None,
            typer.Option(
                min=1,
                help=f"Number of trials: with --draw other classes are drawn in each (default {DRAWS}), with --unseen "
                f"the data are split anew (default {DIVISIONS}).",
            ),
        ] = None,
        model: Annotated[
            Path | None,
            typer.Option(
                metavar="RUN",
                help="Take the features of this finished run in place of a configured backbone. Classes that it was "
                "trained on cannot be unseen.",
            ),
        ] = None,
        methods: Annotated[
            str,
            typer.Option(metavar="A,B,...", help=f"Zero-shot methods; `{task.name} options zero-shot` lists them."),
        ] = ALL_METHODS,
        out: Annotated[
            Path | None, typer.Option(help="Also write zero_shot.json, .html and .png into this folder.")
        ] = None,
    ) -> None:
        """Recognise classes without training images.

        Zero-shot classification from attributes of the classes, compared with chance and with shuffled attributes.
        Regularisation and calibration are chosen on seen classes that are held out; the test set is used once.
        """
        with reported():
            named, words = split_words(config, overrides)
            found = Application(task).zero_shot(
                knowledge(),
                named,
                settings=words,
                unseen=None if unseen is None else unseen.split(","),
                draw=draw,
                seeds=seeds,
                model=model,
                methods=methods,
                out=out,
            )
            show(found.lines)
            if found.report is not None:
                typer.echo(f"report: {found.report}")
