"""The command `audit`.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shared.cli.arguments import DataArgument
from shared.cli.hooks import adds_options_of
from shared.cli.support import EXIT_REFUSED, RUNS, make_folder, reported, settings_on
from shared.errors import DataError, MeaningError
from shared.io.archives import require_paths
from shared.progress import progress_bars

if TYPE_CHECKING:
    from shared.config.schema import Config
    from shared.data.audit import AuditResult
    from shared.progress import Progress
    from shared.samples import Dataset
    from shared.task import Task

REFUSED = "training would refuse"
SETTINGS = (
    "data.classes",
    "data.folders_above",
    "data.domains",
    "data.leaks",
    "data.split",
    "data.options",
    "seed",
)
"""Keys of a configuration that decide whether training takes the data."""
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
        overrides: Annotated[
            list[str] | None,
            typer.Argument(
                metavar="[KEY=VALUE]...",
                help="Settings of the training that is meant, e.g. data.classes.pred=leave_out or data.leaks=drop.",
            ),
        ] = None,
        out: Annotated[
            Path | None,
            typer.Option(help="Also write audit.html, audit.json, pairs.csv and pairs.png into this folder."),
        ] = None,
        **extra: Any,
    ) -> None:
        """Find copies, label conflicts and bad files.

        Copies of one picture in several splits are leaks; copies with different labels contradict each other. Exit
        code 3: training would refuse the data.
        """
        with reported():
            refused = _audit(task, data, overrides, out, lambda *given: search_further(*given, **extra))
        if refused:
            raise typer.Exit(EXIT_REFUSED)


def _audit(
    task: "Task", data: Path, overrides: Sequence[str] | None, out: Path | None, search_further: FurtherSearch
) -> bool:
    """Audits a dataset and prints the findings; True where training would refuse it."""
    from shared.data.loading import load_all
    from shared.prediction.text import printable
    from shared.reporting import audit_report
    from shared.task import Preprocessing

    require_paths([data], "a folder, zip or manifest")
    settings = settings_on(data, overrides, SETTINGS)
    make_folder(out)
    spec = Preprocessing(settings.backbone.size, options={**task.default_options, **settings.data.options})
    with progress_bars() as progress:
        try:
            dataset = load_all(task, settings.data, spec, RUNS, progress)
        except (DataError, MeaningError) as error:
            typer.echo(printable(f"{REFUSED}: {error}"))
            return True
        dataset, result, refusals = _compared(task, settings, dataset, progress)
    tree = audit_report.findings(dataset, result, refusals)
    if dataset.synthetic:
        typer.echo("Synthetic data: these images were made by a program.")
    for line in (*dataset.notes, *audit_report.audit_lines(tree)):
        typer.echo(printable(line))
    with progress_bars() as progress:
        for line in search_further(dataset, out, progress):
            typer.echo(printable(line))
    if out is not None:
        audit_report.write_audit(task, dataset, result, tree, out)
        typer.echo(f"report: {out / 'audit.html'}")
        typer.echo(f"written: {out}; its tables name files as they lie: keep them with the data")
    return bool(refusals)


def _compared(
    task: "Task", settings: "Config", dataset: "Dataset", progress: "Progress"
) -> tuple["Dataset", "AuditResult", list[str]]:
    """Compares the images that training would take, and splits them as it would.

    Returns:
        The dataset as training would take it, or whole where it would take none; the audit of its samples; and the
        reasons for which training would refuse it.
    """
    from shared.data.loading import as_asked
    from shared.data.partition import audited, split_audited

    refusals = []
    try:
        dataset = as_asked(task, settings.data, dataset)
    except (DataError, MeaningError) as error:
        refusals.append(str(error))
    result = audited(task, dataset, progress)
    if not refusals:
        try:
            split_audited(settings.data, dataset, result, seed=settings.seed)
        except DataError as error:
            refusals.append(str(error))
    return dataset, result, refusals
