"""The command `serve`: the same in every application but for the pages that it shows.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shared.api.serving import KEEP_MINUTES
from shared.cli.arguments import ServedModelOption, finite
from shared.cli.help import Topic, examples
from shared.cli.hooks import adds_options_of
from shared.cli.support import reported

if TYPE_CHECKING:
    from shared.task import Task

Serve = Callable[..., None]
"""Serves the pages of an application: takes the arguments of `shared.api.Application.serve` by name, as a mapping, and,
keyword-only, options of the application."""


def add_serve(app: typer.Typer, task: "Task", serve_pages: Serve) -> None:
    """Adds the command `serve`, which serves web pages to classify and compare, to a command line.

    Args:
        app: The command line to add it to.
        task: The application that the command works for.
        serve_pages: Serves the pages. It takes the arguments of `shared.api.Application.serve` as a mapping and,
            keyword-only, options of the application.
    """

    @app.command(
        rich_help_panel=Topic.SERVE,
        epilog=examples(
            task,
            "serve",
            "serve --model pilot --port 0 --keep-minutes 10",
        ),
    )
    @adds_options_of(serve_pages)
    def serve(
        port: Annotated[int, typer.Option(min=0, max=65535, help="TCP port; 0 takes any that is free.")] = 8000,
        host: Annotated[
            str,
            typer.Option(help="Address to listen on; 0.0.0.0: every network of this machine."),
        ] = "127.0.0.1",
        model: ServedModelOption = None,
        keep_minutes: Annotated[
            float,
            typer.Option(
                metavar="MINUTES",
                min=KEEP_MINUTES[0],
                max=KEEP_MINUTES[1],
                callback=finite,
                help=f"Minutes after which an upload is deleted, {KEEP_MINUTES[0]} to {KEEP_MINUTES[1]}.",
            ),
        ] = 60.0,
        tls_certificate: Annotated[
            Path | None, typer.Option(metavar="PEM", help="Certificate of this server, which then speaks HTTPS.")
        ] = None,
        tls_key: Annotated[Path | None, typer.Option(metavar="PEM", help="Private key of --tls-certificate.")] = None,
        **extra: Any,
    ) -> None:
        """Serve web pages to classify and compare.

        Inputs are classified in the browser, runs and their reports compared. It ends on SIGTERM or Ctrl-C. Open the
        address that is printed: it holds a token, lest other users of this machine read what you upload. Programs send
        it as `Authorization: Bearer TOKEN`; the variable MEDTL_TOKEN sets it.
        """
        with reported():
            given = {
                "host": host,
                "port": port,
                "model": model,
                "keep_minutes": keep_minutes,
                "tls_certificate": tls_certificate,
                "tls_key": tls_key,
                "say": typer.echo,
            }
            serve_pages(given, **extra)
