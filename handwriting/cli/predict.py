"""The command `predict` for characters and for pages.

Annotations are evaluated here at once, not kept as strings: typer reads those of the hook.
"""

from typing import TYPE_CHECKING, Annotated

import typer

from shared.api.answers import json_line
from shared.cli.commands import predict
from shared.cli.judge import Printed, Request, judge
from shared.cli.support import exit_code
from shared.errors import UsageError

if TYPE_CHECKING:
    from shared.task import Task


def add(app: typer.Typer, task: "Task") -> None:
    """Adds the command `predict` to the command line of an application.

    Args:
        app: The command line; it is changed in place.
        task: The application.
    """
    predict.add(app, task, _judge_pictures)


def _judge_pictures(
    task: "Task",
    request: Request,
    *,
    page: Annotated[
        bool,
        typer.Option(
            "--page",
            help="Inputs are photographs of a line or page, to be cut into characters first; --out then also gets each "
            "page, straightened, with its characters in numbered boxes.",
        ),
    ] = False,
) -> int:
    if not page:
        return judge(task, request)
    if request.explaining is not None:
        raise UsageError("--explain and --page exclude each other; explain the picture of one character")
    return _print_pages(task, request)


def _print_pages(task: "Task", request: Request) -> int:
    """Reads photographs of pages, prints their text, and returns the exit code."""
    from handwriting.api import APPLICATION, read_pages
    from handwriting.page.reading import NOT_ASSESSED, PARTLY_ASSESSED, page_text

    run = APPLICATION.load_run(request.model).on(request.provider)
    printed = Printed(run.introduction, as_json=request.as_json)
    show = json_line if request.as_json else page_text
    pages = read_pages(request.paths, model=run, out=request.out, each=lambda tree: printed.add(show(tree)))
    printed.end(task.disclaimers)
    return exit_code({NOT_ASSESSED if tree["status"] == PARTLY_ASSESSED else tree["status"] for tree in pages})
