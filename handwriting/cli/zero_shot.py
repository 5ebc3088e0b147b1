"""The command `zero-shot` with the attributes of characters, and how fonts print them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.cli.zero_shot import add_zero_shot

if TYPE_CHECKING:
    import typer

    from shared.task import Task
    from shared.zero_shot.features import SideInformation


def add(app: typer.Typer, task: Task) -> None:
    """Adds the command `zero-shot` to the command line of an application.

    Args:
        app: The command line; it is changed in place.
        task: The application.
    """
    add_zero_shot(app, task, _knowledge)


def _knowledge() -> SideInformation:
    from handwriting.side_information import knowledge

    return knowledge()
