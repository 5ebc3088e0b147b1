"""The command `medtl`: what every application has, answers as DICOM, a look for burned-in text, a DICOM node, a web
page, and the synthetic phantom.

Annotations are evaluated here at once, not kept as strings: typer reads those of the functions.
"""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medtl.task import TASK
from shared.cli.adapt import add_adapt
from shared.cli.app import audit_data, build_app
from shared.cli.judge import judge, open_predictor, prepare_serving
from shared.cli.support import (
    EXIT_REFUSED,
    RUNS,
    AuditOption,
    DataArgument,
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
from shared.progress import progress_bars

if TYPE_CHECKING:
    from shared.progress import Progress
    from shared.samples import Dataset
    from shared.zero_shot.features import SideInformation

app = build_app(TASK, own={"audit"})
add_adapt(app, TASK)


@app.command()
def predict(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help=TASK.inputs_help)],
    model: ModelOption = None,
    as_json: JsonOption = False,
    explain: ExplainOption = False,
    out: PredictionsOption = None,
    dicom: Annotated[
        Path | None,
        typer.Option(help="Also write each answer as DICOM into this folder: a report, and pictures of slices."),
    ] = None,
) -> None:
    """Judge inputs with a finished run.

    Exit 0: all were assessed; 3: one was refused; 4: none refused, but one is too unlike the training images to be
    assessed; 2: wrong usage. With --dicom and --explain, maps that passed their checks stand in the DICOM objects too.
    """
    with reported():
        on_answer = None
        if dicom is not None:
            from medtl.results.writer import writer

            on_answer = writer(dicom)
        code = judge(TASK, paths, model, as_json, out, {} if explain else None, on_answer)
    raise typer.Exit(code)


@app.command()
def audit(
    data: DataArgument,
    phi: Annotated[
        bool, typer.Option("--phi", help="Also list images that text, maybe a name, seems to be burned into.")
    ] = False,
    out: AuditOption = None,
) -> None:
    """Look for duplicates, contradicting labels and damaged images. Exit 3: training would refuse the data.

    With --phi, --out also gets burned_in.csv.
    """
    with reported():
        refused = audit_data(TASK, data, out, _burned_in if phi else None)
    if refused:
        raise typer.Exit(EXIT_REFUSED)


def _burned_in(dataset: "Dataset", out: Path | None, progress: "Progress") -> list[str]:
    from medtl.burned_in import find_suspects, in_words, write_suspects

    suspects = find_suspects(
        dataset.samples, lambda done, total: progress("looking for burned-in text", done, total, "")
    )
    if out is not None:
        write_suspects(suspects, out)
    return in_words(suspects, len(dataset.samples))


@app.command()
def phantom(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A new folder for the dataset.")],
    patients: Annotated[int, typer.Option(min=1, help="Patients for each scanner.")] = 20,
    scanners: Annotated[str, typer.Option(help="Of atlas, borealis, cirrus, separated by commas; or all.")] = "all",
    slices: Annotated[int, typer.Option(min=1, help="Axial slices for each patient.")] = 12,
    kinds: Annotated[
        str, typer.Option(help="Of glioma, meningioma, pituitary, metastasis, separated by commas.")
    ] = "glioma,meningioma,pituitary",
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same files.")] = 0,
) -> None:
    """Write a synthetic multi-scanner head-MRI dataset as DICOM series with masks and labels.csv."""
    from medtl.phantom.dataset import write_phantom
    from medtl.phantom.physics import SCANNERS

    with reported():
        chosen = list(SCANNERS) if scanners == "all" else [name.strip() for name in scanners.split(",")]
        with progress_bars() as progress:
            write_phantom(
                out,
                patients=patients,
                scanners=chosen,
                slices=slices,
                kinds=tuple(kind.strip() for kind in kinds.split(",")),
                seed=seed,
                progress=lambda done, total: progress("phantom patients", done, total, ""),
            )
        typer.echo(f"{out}: {patients} synthetic patients on each of {', '.join(chosen)}")


@app.command()
def demo(
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Applied to all three runs, for example seed=1")
    ] = None,
) -> None:
    """Phantom, training on one scanner, transfer to another with few labels, and the same without transfer."""
    from medtl.demo import run_demo

    with reported(), progress_bars() as progress:
        lines = run_demo(RUNS, tuple(overrides or ()), progress)
    for line in lines:
        typer.echo(line)


@app.command()
def listen(
    port: Annotated[int, typer.Option(help="TCP port.")] = 11112,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 is all of this machine.")] = "127.0.0.1",
    ae_title: Annotated[str, typer.Option(help="Its AE title, towards senders and target.")] = "MEDTL",
    forward: Annotated[
        str | None, typer.Option(metavar="AE@HOST:PORT", help="Where results go; without it, they stay in the spool.")
    ] = None,
    spool: Annotated[Path, typer.Option(help="Folder for what is received and found.")] = Path("spool"),
    quiet: Annotated[float, typer.Option(help="Seconds without a new instance after which a series is whole.")] = 10.0,
    keep: Annotated[
        float | None,
        typer.Option(metavar="DAYS", help="Delete instances and results so long after forwarding; 1 without it."),
    ] = None,
    model: ModelOption = None,
) -> None:
    """Receive series by DICOM (C-STORE, C-ECHO), judge them, and send the results on. Ends on SIGTERM or Ctrl-C."""
    from importlib.util import find_spec

    from shared.errors import UsageError
    from shared.runs.folder import newest_run

    with reported():
        if lacking := [name for name in ("pynetdicom", "highdicom") if find_spec(name) is None]:
            raise UsageError(f"`listen` needs {' and '.join(lacking)}; install with: pip install 'medtl[listen]'")
        from medtl.node.judge import SeriesJudge
        from medtl.node.listener import ListenerSettings
        from medtl.node.listener import listen as listen_until_stopped
        from medtl.node.spool import Spool

        settings = ListenerSettings.checked(port, host, ae_title, forward, quiet, keep)
        run = (model or newest_run(RUNS, TASK.name)).resolve()
        for line in open_predictor(TASK, run)[1]:
            typer.echo(line)
        with closing(Spool(spool)) as opened:
            listen_until_stopped(
                opened, SeriesJudge(run), settings, lambda: typer.echo(f"listening: {settings}, spool {spool}")
            )


@app.command()
def serve(
    port: PortOption = 8000,
    host: HostOption = "127.0.0.1",
    model: ModelOption = None,
    keep: KeepOption = 60.0,
    spool: Annotated[
        Path | None, typer.Option(help="Spool of `medtl listen`; what it received is shown as a worklist.")
    ] = None,
) -> None:
    """Open pages on which scans are looked at and runs compared; ends on SIGTERM or Ctrl-C.

    Beyond this machine a token is needed, which is printed; MEDTL_TOKEN sets it.
    """
    from shared.errors import UsageError

    with reported():
        access, run, store = prepare_serving(TASK, model, host, keep)
        if spool is not None and not (spool / "series").is_dir():
            raise UsageError(f"{spool} is no spool of `medtl listen`; name its folder")
        from medtl.web.app import build_app as build_pages
        from shared.web.serving import run_server

        pages = build_pages(run, RUNS, access, store, spool)
        run_server(pages, access, host, port, typer.echo)


def _knowledge() -> "SideInformation":
    from medtl.zero_shot import knowledge

    return knowledge()


add_zeroshot(app, TASK, _knowledge)
add_add_class(app, TASK)


def main() -> None:
    """Entry point of the console command."""
    app()
