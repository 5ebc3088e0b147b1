"""The command `predict` with answers as DICOM objects.

Annotations are evaluated here at once, not kept as strings: typer reads those of the hook.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.cli.commands import predict
from shared.cli.judge import Request, judge
from shared.errors import UsageError

if TYPE_CHECKING:
    from shared.task import Task


def add(app: typer.Typer, task: "Task") -> None:
    """Adds the command `predict` to the command line of an application.

    Args:
        app: The command line; it is changed in place.
        task: The application.
    """
    predict.add(app, task, _judge_scans)


def _judge_scans(
    task: "Task",
    request: Request,
    *,
    dicom: Annotated[
        Path | None,
        typer.Option(
            help="Also write each answer into this folder as DICOM objects: a structured report and pictures of "
            "slices; with --explain, also the attribution maps that passed their checks."
        ),
    ] = None,
    identifiers: Annotated[
        bool,
        typer.Option(
            "--identifiers",
            help="Also give the UIDs of study, series and of each slice's image; needs --json or --out. They lead to "
            "the patient's examination.",
        ),
    ] = False,
) -> int:
    if identifiers and not request.as_json and request.out is None:
        raise UsageError("--identifiers adds UIDs to the JSON of an answer; give --json or --out too")
    from medtl.api import extension

    return judge(task, request, extension(dicom, identifiers))
