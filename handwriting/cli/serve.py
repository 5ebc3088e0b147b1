"""The command `serve` with pages for characters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.cli.serve import Serving, add_serve
from shared.cli.support import RUNS

if TYPE_CHECKING:
    import typer

    from shared.task import Task
    from shared.web.guard import Guard


def add(app: typer.Typer, task: Task) -> None:
    """Adds the command `serve` to the command line of an application.

    Args:
        app: The command line; it is changed in place.
        task: The application.
    """
    add_serve(app, task, _pages)


def _pages(serving: Serving) -> Guard:
    from handwriting.web.app import build_app

    return build_app(serving.run, RUNS, serving.access, serving.store, chosen_among=serving.chosen_among)
