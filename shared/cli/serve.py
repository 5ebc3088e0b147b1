"""The command `serve`: the same in every application but for the pages that it shows.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shared.cli.arguments import ServedModelOption
from shared.cli.help import Topic, examples
from shared.cli.hooks import adds_options_of
from shared.cli.judge import open_predictor
from shared.cli.support import reported
from shared.errors import UsageError

if TYPE_CHECKING:
    from shared.task import Task
    from shared.web.guard import Access, Guard
    from shared.web.uploads import UploadStore

NEEDED = ("fastapi", "uvicorn", "python_multipart", "jinja2")


@dataclass(frozen=True)
class Serving:
    """The run, the access rules and the upload store from which the pages of an application are built.

    Attributes:
        run: Folder of the finished run that answers.
        access: The rules by which requests are admitted.
        store: The store of uploads.
        chosen_among: Number of models among which the run was chosen on its validation.
    """

    run: Path
    access: "Access"
    store: "UploadStore"
    chosen_among: int


Pages = Callable[..., "Guard"]
"""Takes a `Serving` and, keyword-only, options of the application; gives the guarded ASGI application."""


def add_serve(app: typer.Typer, task: "Task", pages: Pages) -> None:
    """Adds the command `serve`, which serves web pages to classify and compare, to a command line.

    Args:
        app: The command line to add it to.
        task: The application that the command works for.
        pages: Builds the pages. It takes a `Serving` and, keyword-only, options of the application, and returns the
            guarded ASGI application.
    """

    @app.command(
        rich_help_panel=Topic.SERVE,
        epilog=examples(
            task,
            "serve",
            "serve --model pilot --port 0 --keep-minutes 10",
        ),
    )
    @adds_options_of(pages)
    def serve(
        port: Annotated[int, typer.Option(min=0, max=65535, help="TCP port; 0 takes any that is free.")] = 8000,
        host: Annotated[
            str,
            typer.Option(
                help="Address to listen on; 0.0.0.0: every network of this machine. Others than 127.0.0.1 need a token."
            ),
        ] = "127.0.0.1",
        model: ServedModelOption = None,
        keep_minutes: Annotated[
            float, typer.Option(min=1, max=10_080, help="Minutes after which an upload is deleted.")
        ] = 60.0,
        **extra: Any,
    ) -> None:
        """Serve web pages to classify and compare.

        Inputs are classified in the browser, runs and their reports compared. It ends on SIGTERM or Ctrl-C. Where
        other machines can reach it, a token is needed: it is printed, and the variable MEDTL_TOKEN sets it.
        """
        with reported():
            serving = _prepare(task, model, host, keep_minutes)
            shown = pages(serving, **extra)
            from shared.web.serving import run_server

            run_server(shown, serving.access, host, port, typer.echo)


def _prepare(task: "Task", model: Path | None, host: str, keep_minutes: float) -> Serving:
    """Opens the run and the store of uploads.

    Raises:
        UsageError: A package is missing, or the run or the store cannot be used.
    """
    if lacking := [name for name in NEEDED if find_spec(name) is None]:
        raise UsageError(f"`serve` needs {' and '.join(lacking)}; install with: pip install 'medtl[serve]'")
    from shared.web.guard import Access
    from shared.web.uploads import UploadStore

    # here only to say at once what is wrong with the run
    predictor, lines = open_predictor(task, model, explicit=True)
    for line in (*lines, *task.disclaimers):
        typer.echo(line)
    store = UploadStore(60 * keep_minutes)
    return Serving(predictor.run.resolve(), Access.for_host(host), store, predictor.chosen_among)
