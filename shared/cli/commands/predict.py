"""The command `predict`.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shared.cli.arguments import ExplainOption, JsonOption, ModelOption, PredictionsOption, ProviderOption
from shared.cli.help import Topic, examples
from shared.cli.hooks import adds_options_of
from shared.cli.judge import Request, judge
from shared.cli.support import reported

if TYPE_CHECKING:
    from shared.task import Task

Judge = Callable[..., int]
"""Takes the task, a `Request` and, keyword-only, options of the application; gives the exit code."""


def add(app: typer.Typer, task: "Task", judge_inputs: Judge = judge, *, needs_path: bool = True) -> None:
    """Adds the command `predict`, which classifies inputs with a trained model, to a command line.

    Args:
        app: The command line to add it to.
        task: The application that reads the inputs.
        judge_inputs: Carries the command out. It takes the task, a `Request` and, keyword-only, options of the
            application, and returns the exit code.
        needs_path: Whether the inputs are paths alone; else `judge_inputs` checks that something is named.
    """

    unnamed: Any = ... if needs_path else None  # to typer, three points are no default

    @app.command(
        rich_help_panel=Topic.USE,
        epilog=examples(
            task,
            "predict {input}",
            "predict folder/ --json > answers.jsonl",
        ),
    )
    @adds_options_of(judge_inputs)
    def predict(
        paths: Annotated[list[Path] | None, typer.Argument(metavar="PATH...", help=task.inputs_help)] = unnamed,
        model: ModelOption = None,
        as_json: JsonOption = False,
        explain: ExplainOption = False,
        out: PredictionsOption = None,
        provider: ProviderOption = "cpu",
        **extra: Any,
    ) -> None:
        """Classify inputs with a trained model.

        Exit codes: 0 all inputs were assessed; 3 an input was refused; 4 none was refused, but one was not assessed
        or not decided: a human must look; 2 wrong usage.
        """
        with reported():
            request = Request(paths or [], model, as_json, out, {} if explain else None, provider=provider)
            code = judge_inputs(task, request, **extra)
        raise typer.Exit(code)
