"""The command `serve` with pages for scans.

Annotations are evaluated here at once, not kept as strings: typer reads those of the hook.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.cli.serve import Serving, add_serve
from shared.cli.support import RUNS
from shared.errors import UsageError

if TYPE_CHECKING:
    from shared.task import Task
    from shared.web.guard import Guard


def add(app: typer.Typer, task: "Task") -> None:
    """Adds the command `serve` to the command line of an application.

    Args:
        app: The command line; it is changed in place.
        task: The application.
    """
    add_serve(app, task, _pages)


def _pages(
    serving: Serving,
    *,
    spool: Annotated[
        Path | None, typer.Option(help="Spool of `medtl listen`; the series in it are shown as a worklist.")
    ] = None,
) -> "Guard":
    if spool is not None and not (spool / "series").is_dir():
        raise UsageError(f"{spool} is no spool of `medtl listen`; name its folder")
    from medtl.web.app import build_app

    return build_app(serving.run, RUNS, serving.access, serving.store, spool, chosen_among=serving.chosen_among)
