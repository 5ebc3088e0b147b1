"""The command `explain` for series of slices.

Annotations are evaluated here at once, not kept as strings: typer reads those of the hook.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from shared.cli.commands import explain

if TYPE_CHECKING:
    from shared.task import Task


def add(app: typer.Typer, task: "Task") -> None:
    """Adds the command `explain` to the command line of an application.

    Args:
        app: The command line; it is changed in place.
        task: The application.
    """
    explain.add(app, task, _of_series)


def _of_series(
    *,
    slices: Annotated[
        int, typer.Option(min=1, help="Number of slices of a series to explain: those that weigh most in the answer.")
    ] = 3,
) -> Mapping[str, int]:
    return {"slices": slices}
