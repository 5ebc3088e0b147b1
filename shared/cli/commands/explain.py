"""The command `explain`.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shared.api.run import EXPLAINED
from shared.cli.arguments import JsonOption, ModelOption
from shared.cli.help import Topic, examples
from shared.cli.hooks import adds_options_of, no_options
from shared.cli.judge import Request, judge
from shared.cli.support import reported, takes_names

if TYPE_CHECKING:
    from shared.task import Task


def add(app: typer.Typer, task: "Task", more_options: Callable[..., Mapping[str, Any]] = no_options) -> None:
    """Adds the command `explain`, which shows which pixels moved an answer, to a command line.

    Args:
        app: The command line to add it to.
        task: The application that the command works for.
        more_options: Takes, keyword-only, options of the application; returns arguments of
            `shared.reporting.explainer.Explainer` by name.
    """

    @app.command(
        rich_help_panel=Topic.USE,
        epilog=examples(
            task,
            "explain {input}",
            "explain {input} --no-checks --out maps",
        ),
    )
    @takes_names(method=_methods)
    @adds_options_of(more_options)
    def explain(
        paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help=task.inputs_help)],
        model: ModelOption = None,
        method: Annotated[
            str | None,
            typer.Option(help=f"Attribution method; `{task.name} options explain` lists them, the default first."),
        ] = None,
        target: Annotated[
            str | None, typer.Option(metavar="CLASS", help="The class to explain; without it, that of the answer.")
        ] = None,
        checks: Annotated[
            bool, typer.Option("--checks/--no-checks", help="Whether to check each map, which takes seconds.")
        ] = True,
        cascade: Annotated[
            bool,
            typer.Option(
                "--cascade",
                help="Also compare each map with those of the network made random stage by stage, from the head to the "
                "input: a map for each stage.",
            ),
        ] = False,
        as_json: JsonOption = False,
        out: Annotated[Path, typer.Option(help="Folder for pictures, raw maps and predictions.jsonl.")] = Path(
            EXPLAINED
        ),
        **extra: Any,
    ) -> None:
        """Show which pixels moved an answer.

        Inputs are classified as `predict` does, with the same exit codes; an attribution map of each answer is written
        and checked. It shows what moved the score of a class, not where a finding lies.
        """
        with reported():
            wanted = {"method": method, "target": target, "checks": checks, "cascade": cascade, **more_options(**extra)}
            code = judge(task, Request(paths, model, as_json, out, wanted))
        raise typer.Exit(code)


def _methods() -> Sequence[str]:
    from shared.explanation.attribution import DEFAULT_METHOD, METHODS

    return [DEFAULT_METHOD, *(name for name in METHODS if name != DEFAULT_METHOD)]
