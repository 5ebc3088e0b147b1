"""Stores heads in every legal way and compares the answers: `python -m benchmarks.turns RUN FOLDER [FOLDER ...]`.

Each series below the folders is declared axial, coronal and sagittal, turned in its plane in the eight ways, and
written as single DICOM slices, as Enhanced MR and as NIfTI. All of them show one head, so all must get one answer. Then
every second row, or column, is merged into its neighbour: pixels are not square, and the decision should stay.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.stored_head import (
    PLANES,
    TURNS,
    StoredHead,
    coarser,
    in_plane,
    read_head,
    turned,
    write_enhanced,
    write_nifti,
    write_slices,
)
from medtl.inputs import read_inputs
from medtl.task import TASK
from shared.prediction.answer import Answer
from shared.prediction.predictor import Predictor

FORMATS: dict[str, Callable[[StoredHead, Path], Path]] = {
    "DICOM": lambda head, folder: write_slices(head, folder / "series"),
    "Enhanced": lambda head, folder: write_enhanced(head, folder / "enhanced.dcm"),
    "NIfTI": lambda head, folder: write_nifti(head, folder / "volume.nii"),
}


@dataclass
class Cell:
    """What came out for one plane and format: largest differences of slices' probabilities, and answers that differ."""

    answers: int = 0
    probability: float = 0.0
    different: list[str] = field(default_factory=list)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="a finished run of medtl")
    parser.add_argument("folders", type=Path, nargs="+", help="folders with DICOM series, one folder a series")
    parser.add_argument("--first", type=int, default=30, help="how many series of each folder are taken")
    wanted = parser.parse_args()
    predictor = Predictor(wanted.run, TASK.name, TASK.preprocess)
    for folder in wanted.folders:
        heads = [read_head(files) for files in series_below(folder)[: wanted.first]]
        print(f"\n{folder.name}: {len(heads)} series", flush=True)
        print("\n".join(turns_table(predictor, heads)), flush=True)
        print("\n".join(coarse_table(predictor, heads)), flush=True)


def series_below(folder: Path) -> list[list[Path]]:
    """Lists the files of each series: the DICOM files of each folder."""
    found: dict[Path, list[Path]] = {}
    for path in sorted(folder.rglob("*.dcm")):
        found.setdefault(path.parent, []).append(path)
    return list(found.values())


def turns_table(predictor: Predictor, heads: list[StoredHead]) -> list[str]:
    """Compares the answers to all turns and formats with that to the upright DICOM series of the same plane."""
    lines = [
        "| plane | format | answers | largest difference of a probability | other decisions |",
        "|---|---|--:|--:|--:|",
    ]
    cells = {(plane, name): Cell() for plane in PLANES for name in FORMATS}
    for head in heads:
        for plane in PLANES:
            upright = in_plane(head, plane)
            reference = answer(predictor, upright, "DICOM")
            for turn in TURNS:
                for name in FORMATS:
                    compare(cells[plane, name], reference, answer(predictor, turned(upright, turn), name))
    for (plane, name), cell in cells.items():
        lines.append(f"| {plane} | {name} | {cell.answers} | {cell.probability:.1e} | {len(cell.different)} |")
    return lines


def coarse_table(predictor: Predictor, heads: list[StoredHead]) -> list[str]:
    """Compares the decisions about pixels that are not square with those about the square ones."""
    lines = ["| pixels | decisions kept | largest difference |", "|---|--:|--:|"]
    for words, factors in (("half of the rows", {"rows": 2}), ("half of the columns", {"columns": 2})):
        cell = Cell()
        for head in heads:
            compare(cell, answer(predictor, head, "DICOM"), answer(predictor, coarser(head, **factors), "DICOM"))
        lines.append(f"| {words} | {cell.answers - len(cell.different)} of {cell.answers} | {cell.probability:.2f} |")
    return lines


def answer(predictor: Predictor, head: StoredHead, name: str) -> Answer:
    """Stores a head in a format, and answers it."""
    with TemporaryDirectory() as folder:
        (item,) = read_inputs([FORMATS[name](head, Path(folder))])
        return predictor.assess(item)


def compare(cell: Cell, reference: Answer, found: Answer) -> None:
    """Counts an answer, with its difference from the reference."""
    cell.answers += 1
    if (found.status, found.decision) != (reference.status, reference.decision):
        cell.different.append(f"{found.status} {found.decision} {found.reason}")
    values = [[one.positive_probability or 0.0 for one in given.slices] for given in (reference, found)]
    whole = [given.positive_probability or 0.0 for given in (reference, found)]
    if len(values[0]) == len(values[1]):
        gap = np.abs(np.subtract(*np.array([[*rows, total] for rows, total in zip(values, whole, strict=True)]))).max()
        cell.probability = max(cell.probability, float(gap))


if __name__ == "__main__":
    main()
