"""Stores heads in every legal way and compares the answers: `python -m benchmarks.turns RUN FOLDER [FOLDER ...]`.

Each series below the folders is declared axial, coronal and sagittal, turned in its plane in the eight ways, and
written as single DICOM slices, as Enhanced MR and as NIfTI. All of them show one head, so all must get one answer. Then
every second row, or column, is merged into its neighbour: pixels are not square, and the decision should stay.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

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
from shared.evaluation.decision.ood import of_series
from shared.prediction.predictor import Predictor

FORMATS: dict[str, Callable[[StoredHead, Path], Path]] = {
    "DICOM": lambda head, folder: write_slices(head, folder / "series"),
    "Enhanced": lambda head, folder: write_enhanced(head, folder / "enhanced.dcm"),
    "NIfTI": lambda head, folder: write_nifti(head, folder / "volume.nii"),
}


@dataclass(frozen=True)
class Answered:
    """The answer to one input: tumour probability of each slice and of the whole, and the decision or refusal."""

    probabilities: NDArray[np.float64]
    decision: str


@dataclass
class Cell:
    """What came out for one plane and format: the largest difference of a probability, and decisions that differ."""

    answers: int = 0
    probability: float = 0.0
    different: int = 0


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
        lines.append(f"| {plane} | {name} | {cell.answers} | {cell.probability:.1e} | {cell.different} |")
    return lines


def coarse_table(predictor: Predictor, heads: list[StoredHead]) -> list[str]:
    """Compares pixels that are not square with square ones, and the turns of the former with each other."""
    lines = ["| pixels | decisions kept | largest difference | between turns |", "|---|--:|--:|--:|"]
    for words, factors in (("half of the rows", {"rows": 2}), ("half of the columns", {"columns": 2})):
        kept, turns = Cell(), Cell()
        for head in heads:
            coarse = coarser(head, **factors)
            found = answer(predictor, coarse, "DICOM")
            compare(kept, answer(predictor, head, "DICOM"), found)
            for turn in TURNS:
                compare(turns, found, answer(predictor, turned(coarse, turn), "DICOM"))
        same = kept.answers - kept.different
        lines.append(
            f"| {words} | {same} of {kept.answers} | {kept.probability:.2f} | "
            f"{turns.probability:.1e}, {turns.different} other decisions |"
        )
    return lines


def answer(predictor: Predictor, head: StoredHead, name: str) -> Answered:
    """Stores a head in a format, and answers it, also where it is unlike the training images."""
    with TemporaryDirectory() as folder:
        (item,) = read_inputs([FORMATS[name](head, Path(folder))])
    if item.refusal is not None:
        return Answered(np.zeros(0), item.refusal)
    record = predictor.record
    rows, ood = predictor.judge([TASK.preprocess(pixels, record.preprocessing) for pixels in item.slices])
    positive = rows[:, np.array(record.positive)].sum(axis=1)
    whole = record.aggregation.probability(positive, item.positions)
    words = f"{'un' if of_series(ood) > record.ood['threshold'] else ''}like training, {whole >= record.threshold}"
    return Answered(np.array([*positive, whole]), words)


def compare(cell: Cell, reference: Answered, found: Answered) -> None:
    """Counts an answer, with its difference from the reference."""
    cell.answers += 1
    cell.different += found.decision != reference.decision
    if len(found.probabilities) == len(reference.probabilities):
        cell.probability = max(cell.probability, float(np.abs(found.probabilities - reference.probabilities).max()))


if __name__ == "__main__":
    main()
