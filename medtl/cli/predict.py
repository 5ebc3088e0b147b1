"""The command `predict` with answers as DICOM objects.

Annotations are evaluated here at once, not kept as strings: typer reads those of the hook.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.api import Application
from shared.cli.commands import predict
from shared.cli.judge import Request, check_paths, judge
from shared.cli.support import show
from shared.errors import UsageError

if TYPE_CHECKING:
    from shared.task import Task


def add(app: typer.Typer, task: "Task") -> None:
    """Adds the command `predict` to the command line of an application.

    Args:
        app: The command line; it is changed in place.
        task: The application.
    """
    predict.add(app, task, _judge_scans, needs_path=False)


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
    address: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="ADDRESS",
            help="In place of PATH: fetch a study or series from an archive by DICOMweb, "
            "dicomwebs://HOST/PATH/studies/UID[/series/UID]; dicomweb:// is without TLS. Its images are deleted again.",
        ),
    ] = None,
    store: Annotated[
        bool, typer.Option("--store", help="Send each answer as DICOM objects back to the archive of --from.")
    ] = False,
    credentials: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File with USER:PASSWORD or a token for --from; without it, those in MEDTL_DICOMWEB_CREDENTIALS.",
        ),
    ] = None,
    tls_authority: Annotated[
        Path | None,
        typer.Option(metavar="PEM", help="Certificates that the one of --from is signed by, if no public ones."),
    ] = None,
) -> int:
    if identifiers and not request.as_json and request.out is None:
        raise UsageError("--identifiers adds UIDs to the JSON of an answer; give --json or --out too")
    from medtl.api import extension, fetched

    if address is None:
        for option, value in (("--store", store), ("--credentials", credentials), ("--tls-authority", tls_authority)):
            if value:
                raise UsageError(f"{option} is for an archive; give --from too")
        check_paths(task, request.paths)
        return judge(task, request, extension(dicom, identifiers))
    if request.paths:
        raise UsageError("--from stands in place of PATH; give one of the two")
    # a wrong name is said before anything is fetched
    run = Application(task).load_run(request.model).on(request.provider)
    with fetched(address, credentials=credentials, authority=tls_authority) as study:
        written = list[Path]() if store else None
        to = study.results if store and dicom is None else dicom
        found = replace(request, paths=[study.images], names=study.names)
        code = judge(task, found, extension(to, identifiers, written), run=run)
        if written is not None and (count := study.store(written)) and not request.as_json:
            show([f"stored in {study.name}: {count} DICOM objects"])
    return code
