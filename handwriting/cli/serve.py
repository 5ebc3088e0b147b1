"""The command `serve` with pages for characters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shared.cli.serve import add_serve

if TYPE_CHECKING:
    import typer

    from shared.task import Task


def add(app: typer.Typer, task: Task) -> None:
    """Adds the command `serve` to the command line of an application.

    Args:
        app: The command line; it is changed in place.
        task: The application.
    """
    add_serve(app, task, _serve)


def _serve(given: Mapping[str, Any]) -> None:
    from handwriting.api import serve

    serve(**given)
