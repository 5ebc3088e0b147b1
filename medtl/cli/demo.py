"""The command `demo`.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from typing import TYPE_CHECKING, Annotated

import typer

from shared.cli.help import Topic, examples
from shared.cli.support import reported, show

if TYPE_CHECKING:
    from shared.task import Task


def add(app: typer.Typer, task: "Task") -> None:
    """Adds the command `demo` to the command line of an application.

    Args:
        app: The command line; it is changed in place.
        task: The application.
    """

    @app.command(
        rich_help_panel=Topic.TRAIN,
        epilog=examples(
            task,
            "demo",
            "demo seed=1",
        ),
    )
    def demo(
        overrides: Annotated[
            list[str] | None,
            typer.Argument(
                metavar="[KEY=VALUE]...",
                help="Overrides of the demo's trainings (see `options configs`), e.g. seed=1.",
            ),
        ] = None,
    ) -> None:
        """Show on synthetic scans what transfer gains.

        A phantom is written, a model trained on one scanner, and models of another scanner with few labels: from the
        first one, from ImageNet's weights, and from nothing. Minutes on two CPU cores.
        """
        with reported(resumes=True):
            from medtl.api import run_demo

            show(run_demo(settings=overrides))
