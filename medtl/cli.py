"""The command `medtl`: what every application has, a look for burned-in text, and the synthetic phantom."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medtl.task import TASK
from shared.cli import EXIT_REFUSED, RUNS, AuditOption, DataArgument, audit_data, build_app, reported
from shared.progress import progress_bars

if TYPE_CHECKING:
    from shared.progress import Progress
    from shared.samples import Dataset

app = build_app(TASK, own={"audit"})


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


def _burned_in(dataset: Dataset, out: Path | None, progress: Progress) -> list[str]:
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
