"""The command `evaluate`.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shared.api import Application
from shared.cli.arguments import RunArgument, finite
from shared.cli.help import Topic, examples
from shared.cli.hooks import adds_options_of, no_options
from shared.cli.support import reported, show

if TYPE_CHECKING:
    from shared.task import Task


def add(app: typer.Typer, task: "Task") -> None:
    """Adds the command `evaluate`, which evaluates a model on its test or on new data, to a command line.

    Its options on use (prevalence, costs) exist only where the application has a positive class.

    Args:
        app: The command line to add it to.
        task: The application that the command works for.
    """
    context = no_options if task.positive_name is None else _usage_context

    @app.command(
        rich_help_panel=Topic.MEASURE,
        epilog=examples(
            task,
            "evaluate pilot",
            "evaluate pilot {data} --out tests",
        ),
    )
    @adds_options_of(context)
    def evaluate(
        run: RunArgument,
        data: Annotated[
            Path | None, typer.Argument(metavar="[DATA]", help="Labelled images; without them, the run's own test set.")
        ] = None,
        overrides: Annotated[
            list[str] | None,
            typer.Argument(
                metavar="[KEY=VALUE]...",
                help="What folders or labels of DATA mean that are not known, e.g. data.classes.pred=leave_out.",
            ),
        ] = None,
        known_only: Annotated[
            bool,
            typer.Option("--known-only", help="Leave out images of classes that the run does not know; needs DATA."),
        ] = False,
        versus: Annotated[
            Path | None,
            typer.Option(metavar="RUN", help="Compare with this run on the test images that both share."),
        ] = None,
        out: Annotated[Path | None, typer.Option(help="Also write evaluation.json into this folder.")] = None,
        **extra: Any,
    ) -> None:
        """Evaluate a model on its test or on new data.

        The threshold is that of the run. Images of DATA that the run was trained on are left out. The result is kept in
        the run, whose verdict names it from then on.
        """
        with reported():
            found = (
                Application(task)
                .load_run(run)
                .evaluate(data, settings=overrides, known_only=known_only, versus=versus, out=out, **context(**extra))
            )
            show(found.lines)


def _usage_context(
    *,
    prevalence: Annotated[
        float | None,
        typer.Option(
            min=1e-6,
            max=0.999999,
            callback=finite,
            help="Also give PPV and NPV at this share of positive inputs; needs DATA.",
        ),
    ] = None,
    miss_cost: Annotated[
        float | None,
        typer.Option(
            min=1e-6, callback=finite, help="Cost of a missed positive, in false alarms (1 without it); needs DATA."
        ),
    ] = None,
) -> Mapping[str, float]:
    """The stated arguments of `shared.evaluation.cases.UsageContext`."""
    given = {"prevalence": prevalence, "miss_cost": miss_cost}
    return {name: value for name, value in given.items() if value is not None}
