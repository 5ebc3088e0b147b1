"""The command `predict` for characters and for pages.

Annotations are evaluated here at once, not kept as strings: typer reads those of the hook.
"""

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
    from handwriting.page.reading import judge_pages

    return judge_pages(task, request.paths, request.model, request.as_json, request.out)
