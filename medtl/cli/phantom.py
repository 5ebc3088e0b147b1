"""The command `phantom`.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medtl.api import USUAL_KINDS
from shared.cli.help import Topic, examples
from shared.cli.support import reported, takes_names

if TYPE_CHECKING:
    from shared.task import Task


def add(app: typer.Typer, task: "Task") -> None:
    """Adds the command `phantom` to the command line of an application.

    Args:
        app: The command line; it is changed in place.
        task: The application.
    """

    @app.command(
        rich_help_panel=Topic.DATA,
        epilog=examples(
            task,
            "phantom scans",
            "phantom scans --patients 5 --slices 8 --seed 1",
        ),
    )
    @takes_names(scanners=_scanners, kinds=_kinds)
    def phantom(
        out: Annotated[Path, typer.Argument(metavar="OUT", help="A new folder for the dataset.")],
        patients: Annotated[int, typer.Option(min=1, help="Number of patients for each scanner.")] = 20,
        scanners: Annotated[
            str | None, typer.Option(metavar="A,B,...", help=f"Scanners to imitate; {_listed(task)}. Default: all.")
        ] = None,
        slices: Annotated[int, typer.Option(min=1, help="Number of axial slices for each patient.")] = 12,
        kinds: Annotated[
            str | None,
            typer.Option(
                metavar="A,B,...", help=f"Kinds of tumour; {_listed(task)}. Default: the first {USUAL_KINDS}."
            ),
        ] = None,
        seed: Annotated[int, typer.Option(min=0, help="Seed of all that is drawn; the same gives the same files.")] = 0,
    ) -> None:
        """Write a synthetic brain-MRI dataset.

        DICOM series of patients with and without tumours on several scanners, with masks and labels.csv.
        """
        with reported():
            from medtl.api import write_phantom

            chosen = _names(scanners) or _scanners()
            write_phantom(out, patients=patients, scanners=chosen, slices=slices, kinds=_names(kinds), seed=seed)
            typer.echo(f"{out}: {patients} synthetic patients on each of {', '.join(chosen)}")


def _listed(task: "Task") -> str:
    return f"`{task.name} options phantom` lists them"


def _scanners() -> Sequence[str]:
    from medtl.phantom.physics import SCANNERS

    return list(SCANNERS)


def _kinds() -> Sequence[str]:
    from medtl.phantom.tumours import KINDS

    return KINDS


def _names(text: str | None) -> Sequence[str] | None:
    """The names in a text, separated by commas; None where none is given."""
    return None if text is None else [name.strip() for name in text.split(",")]
