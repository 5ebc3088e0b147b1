"""The command `serve` with pages for scans.

Annotations are evaluated here at once, not kept as strings: typer reads those of the hook.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shared.cli.serve import add_serve

if TYPE_CHECKING:
    from shared.task import Task


def add(app: typer.Typer, task: "Task") -> None:
    """Adds the command `serve` to the command line of an application.

    Args:
        app: The command line; it is changed in place.
        task: The application.
    """
    add_serve(app, task, _serve)


def _serve(
    given: Mapping[str, Any],
    *,
    spool: Annotated[
        Path | None, typer.Option(help="Spool of `medtl listen`; the series in it are shown as a worklist.")
    ] = None,
) -> None:
    from medtl.api import serve

    serve(spool=spool, **given)
