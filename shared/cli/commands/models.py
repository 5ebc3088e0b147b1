"""The command `models`.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from typing import TYPE_CHECKING

import typer

from shared.api import Application
from shared.cli.help import Topic, examples
from shared.cli.support import reported, show

if TYPE_CHECKING:
    from shared.task import Task


def add(app: typer.Typer, task: "Task") -> None:
    """Adds the command `models`, which lists the models that can answer, to a command line.

    Args:
        app: The command line to add it to.
        task: The application that the command works for.
    """

    @app.command(
        rich_help_panel=Topic.USE,
        epilog=examples(
            task,
            "models",
            "models > models.txt",
        ),
    )
    def models() -> None:
        """List the models that can answer.

        Those that come with the package, then the finished runs directly under runs/, the one trained last first: what
        each is fit for, its data, classes, backbone, and the first measure of its test with the 95% interval; of the
        package also sizes and licences. An asterisk marks the default, which `use` chooses. What is unfinished or
        damaged is listed last.
        """
        with reported():
            show(Application(task).models().lines)
