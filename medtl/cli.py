"""The command `medtl`: what every application has, answers as DICOM, and the synthetic phantom.

Annotations are evaluated here at once, not kept as strings: typer reads those of the functions.
"""

from pathlib import Path
from typing import Annotated

import typer

from medtl.task import TASK
from shared.cli import (
    RUNS,
    ExplainOption,
    JsonOption,
    ModelOption,
    PredictionsOption,
    build_app,
    judge,
    reported,
)
from shared.progress import progress_bars

app = build_app(TASK, own={"predict"})


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
        further = None
        if dicom is not None:
            from medtl.dicom_results import writer

            further = writer(dicom)
        code = judge(TASK, paths, model, as_json, out, {} if explain else None, further)
    raise typer.Exit(code)


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
    from medtl.phantom import write_phantom
    from medtl.phantom_physics import SCANNERS

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


def main() -> None:
    """Entry point of the console command."""
    app()
