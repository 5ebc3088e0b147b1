"""The command `handwriting`: what every application has, photographed pages, a web page, and where data come from.

Annotations are evaluated here at once, not kept as strings: typer reads those of the functions.
"""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from handwriting.task import TASK
from shared.cli.adapt import add_adapt
from shared.cli.app import build_app
from shared.cli.judge import judge, prepare_serving
from shared.cli.support import (
    RUNS,
    ExplainOption,
    HostOption,
    JsonOption,
    KeepOption,
    ModelOption,
    PortOption,
    PredictionsOption,
    reported,
)
from shared.cli.zeroshot import add_add_class, add_zeroshot
from shared.errors import UsageError

if TYPE_CHECKING:
    from shared.zero_shot.features import SideInformation


class Dataset(StrEnum):
    """Datasets that can be fetched."""

    DHCD = "dhcd"


app = build_app(TASK)
add_adapt(app, TASK)


@app.command()
def predict(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help=TASK.inputs_help)],
    page: Annotated[
        bool, typer.Option("--page", help="Each is the photograph of a line or page: cut it into characters first.")
    ] = False,
    model: ModelOption = None,
    as_json: JsonOption = False,
    explain: ExplainOption = False,
    out: PredictionsOption = None,
) -> None:
    """Judge inputs with a finished run.

    Exit 0: all were assessed; 3: one was refused; 4: none refused, but one is too unlike the training images to be
    assessed; 2: wrong usage. With --page, --out also gets each page as it was straightened, with its characters in
    numbered boxes.
    """
    with reported():
        if page and explain:
            raise UsageError("--explain and --page exclude each other; explain the picture of one character")
        if page:
            from handwriting.page.reading import judge_pages

            code = judge_pages(TASK, paths, model, as_json, out)
        else:
            code = judge(TASK, paths, model, as_json, out, {} if explain else None)
    raise typer.Exit(code)


@app.command()
def serve(
    port: PortOption = 8000,
    host: HostOption = "127.0.0.1",
    model: ModelOption = None,
    keep: KeepOption = 60.0,
) -> None:
    """Open a page on which characters are written and read, and runs compared; ends on SIGTERM or Ctrl-C.

    Beyond this machine a token is needed, which is printed; MEDTL_TOKEN sets it.
    """
    with reported():
        access, run, store = prepare_serving(TASK, model, host, keep)
        from handwriting.web.app import build_app as build_pages
        from shared.web.serving import run_server

        run_server(build_pages(run, RUNS, access, store), access, host, port, typer.echo)


data = typer.Typer(help="Fetch published datasets.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(data, name="data")


@data.command()
def download(
    name: Annotated[Dataset, typer.Argument(help="Which one: DHCD, 92,000 characters, CC BY 4.0, from UCI.")],
    to: Annotated[Path, typer.Option(help="Folder for the archive.")] = Path("data"),
) -> None:
    """Fetch a dataset, going on where an earlier call broke off, and check that every pixel is what was published."""
    with reported():
        from handwriting import dhcd
        from shared.progress import progress_bars

        with progress_bars() as progress:
            path = dhcd.fetch(
                to,
                progress=lambda done, total: progress(f"fetching {name.value}, bytes", done, total, ""),
                checking=lambda done, total: progress(f"checking {name.value}, images", done, total, ""),
            )
    typer.echo(f"{path}: whole; train with data.source={path}")


def _knowledge() -> "SideInformation":
    from handwriting.zero_shot import knowledge

    return knowledge()


add_zeroshot(app, TASK, _knowledge)
add_add_class(app, TASK)


def main() -> None:
    """Entry point of the console command."""
    app()
