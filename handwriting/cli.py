"""The command `handwriting`: what every application has, and pages.

Annotations are evaluated here at once, not kept as strings: typer reads those of the functions.
"""

from pathlib import Path
from typing import Annotated

import typer

from handwriting.task import TASK
from shared.cli import EXIT_REFUSED, JsonOption, ModelOption, PredictionsOption, build_app, judge, reported

app = build_app(TASK, own={"predict"})


@app.command()
def predict(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help=TASK.inputs_help)],
    page: Annotated[
        bool, typer.Option("--page", help="Each is the photograph of a line or page: cut it into characters first.")
    ] = False,
    model: ModelOption = None,
    as_json: JsonOption = False,
    out: PredictionsOption = None,
) -> None:
    """Judge inputs with a finished run. Exit 0: all assessed, or rejected; 3: one refused; 2: wrong usage.

    With --page, --out also gets each page as it was straightened, with the characters in numbered boxes.
    """
    with reported():
        if page:
            from handwriting.reading import judge_pages

            refused = judge_pages(TASK, paths, model, as_json, out)
        else:
            refused = judge(TASK, paths, model, as_json, out)
    if refused:
        raise typer.Exit(EXIT_REFUSED)


def main() -> None:
    """Entry point of the console command."""
    app()
