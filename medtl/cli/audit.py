"""The command `audit` with a search for text in the pixels.

Annotations are evaluated here at once, not kept as strings: typer reads those of the hook.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.cli.commands import audit

if TYPE_CHECKING:
    from shared.progress import Progress
    from shared.samples import Dataset
    from shared.task import Task


def add(app: typer.Typer, task: "Task") -> None:
    """Adds the command `audit` to the command line of an application.

    Args:
        app: The command line; it is changed in place.
        task: The application.
    """
    audit.add(app, task, _find_text)


def _find_text(
    dataset: "Dataset",
    out: Path | None,
    progress: "Progress",
    *,
    burned_in_text: Annotated[
        bool,
        typer.Option(
            "--burned-in-text",
            help="Also list images into whose pixels text, maybe a name, seems to be burned; --out then also gets "
            "burned_in.csv.",
        ),
    ] = False,
) -> Iterable[str]:
    if not burned_in_text:
        return ()
    from medtl.api import find_text

    return find_text(dataset, out, progress)
