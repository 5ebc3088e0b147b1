"""The command `audit`.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shared.cli.arguments import DataArgument
from shared.cli.hooks import adds_options_of
from shared.cli.support import EXIT_REFUSED, make_folder, reported
from shared.io.archives import require_paths
from shared.progress import progress_bars

if TYPE_CHECKING:
    from shared.progress import Progress
    from shared.samples import Dataset
    from shared.task import Task

FurtherSearch = Callable[..., Iterable[str]]
"""Takes the dataset, the folder for results (or None), a `Progress` and, keyword-only, options of the application;
gives the lines to print, and then writes files of its own into the folder."""


def no_further_search(dataset: "Dataset", out: Path | None, progress: "Progress") -> Iterable[str]:
    """Returns no lines: the default hook of `audit`, for an application that adds no search of its own.

    Args:
        dataset: The audited samples; not used.
        out: Folder for results, or None; not used.
        progress: Receives progress; not used.

    Returns:
        An empty sequence, in place of lines to print.
    """
    return ()


def add(app: typer.Typer, task: "Task", search_further: FurtherSearch = no_further_search) -> None:
    """Adds the command `audit`, which finds copies, label conflicts and bad files, to a command line.

    Args:
        app: The command line to add it to.
        task: The application that reads the images.
        search_further: Searches more after the audit. It takes the dataset, the folder for results (or None), a
            `Progress` and, keyword-only, options of the application, and returns lines to print.
    """

    @app.command()
    @adds_options_of(search_further)
    def audit(
        data: DataArgument,
        out: Annotated[
            Path | None, typer.Option(help="Also write audit.json, pairs.csv and pairs.png into this folder.")
        ] = None,
        **extra: Any,
    ) -> None:
        """Find copies, label conflicts and bad files.

        Copies of one picture in several splits are leaks; copies with different labels contradict each other. Exit
        code 3: training would refuse the data.
        """
        with reported():
            refused = _audit(task, data, out, lambda *given: search_further(*given, **extra))
        if refused:
            raise typer.Exit(EXIT_REFUSED)


def _audit(task: "Task", data: Path, out: Path | None, search_further: FurtherSearch) -> bool:
    """Audits a dataset and prints the findings; True where training would refuse it."""
    from shared.data.partition import audited
    from shared.prediction.text import printable
    from shared.reporting import audit_report

    require_paths([data], "a folder, zip or manifest")
    make_folder(out)
    dataset = task.load(data, options=task.default_options)
    if dataset.synthetic:
        typer.echo("Synthetic data: these images were made by a program.")
    with progress_bars() as progress:
        result = audited(task, dataset, progress)
    tree = audit_report.findings(dataset, result)
    for line in (*dataset.notes, *audit_report.audit_lines(tree)):
        typer.echo(printable(line))
    with progress_bars() as progress:
        for line in search_further(dataset, out, progress):
            typer.echo(printable(line))
    if out is not None:
        audit_report.write_audit(task, dataset, result, tree, out)
        typer.echo(f"written: {out}; its tables name files as they lie: keep them with the data")
    return bool(tree["refusals"])
