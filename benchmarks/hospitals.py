"""Makes an unpacked hospitals.zip readable for `medtl train`: `python -m benchmarks.hospitals FOLDER`.

The volumes of `elderly/` and `ms/` come without a table. One is written beside them: label `no_tumour` (none of these
people has a mass, by the set's README), the person and the contrast by the file's name. `lgg_du/` has a table.
"""

from __future__ import annotations

import argparse
import csv
import io
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medtl.nifti import is_volume
from medtl.task import TASK
from shared.errors import DataError, MedtlError
from shared.io.atomic import write_text
from shared.samples import NOT_STATED, Dataset

VOLUMES = ("elderly", "ms")
SLICES = "lgg_du"
NAME = re.compile(r"(?P<person>.+)_(?P<contrast>flair|t1|t2)w?\.nii(?:\.gz)?", re.IGNORECASE)
"""`old01_flair.nii.gz`, `patient01_study1_T1W.nii.gz`."""
COLUMNS = ("path", "label", "patient", "contrast")


def main() -> int:
    """Writes the tables, reads all three collections, and prints a line for each; 1 where one is not read as it is."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hospitals", description=__doc__)
    parser.add_argument("folder", type=Path, help="the unpacked hospitals.zip")
    folder = parser.parse_args().folder
    try:
        for name in VOLUMES:
            write_table(folder / name)
        for name in (*VOLUMES, SLICES):
            dataset = TASK.load(folder / name, options={**TASK.default_options, "labels": "binary"})
            print(f"{name}: {contents(dataset)}")
            check(folder / name, dataset)
    except MedtlError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def write_table(folder: Path) -> Path:
    """Writes `labels.csv` for a folder of tumour-free volumes, and returns its path.

    Args:
        folder: Folder of NIfTI volumes, one a person and contrast.

    Raises:
        DataError: There is no volume, or a name says no contrast; nothing is written then.
    """
    names = sorted(path.name for path in folder.glob("*.nii*"))
    if not names:
        raise DataError(f"{folder.name} has no NIfTI volume; give the folder that hospitals.zip was unpacked into")
    found = [NAME.fullmatch(name) for name in names]
    if (faulty := found.count(None)) > 0:
        raise DataError(f"{faulty} of {len(names)} volumes of {folder.name} are not named PERSON_CONTRAST.nii.gz")
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(COLUMNS)
    for name, parts in zip(names, found, strict=True):
        if parts is not None:
            table.writerow([name, "no_tumour", parts["person"], parts["contrast"].lower()])
    write_text(folder / "labels.csv", stream.getvalue())
    return folder / "labels.csv"


@dataclass(frozen=True)
class _Row:
    """What a row of a table says; empty where the table has no such column. A volume is a series."""

    label: str
    person: str
    series: str
    mask: str


def check(folder: Path, dataset: Dataset) -> None:
    """Compares what is read of a collection with its table: slices, people, series and masks.

    Args:
        folder: Folder with `labels.csv`.
        dataset: What the application reads of it.

    Raises:
        DataError: Something that the table says is not read.
    """
    rows = _rows(folder / "labels.csv")
    samples = dataset.samples
    expected = {
        "people": len({row.person for row in rows}),
        "series": len({row.series for row in rows if row.series}),
        "masks": sum(bool(row.mask) for row in rows),
        "slices with a tumour": sum(row.label != "no_tumour" for row in rows),
    }
    read = {
        "people": len({sample.group for sample in samples}),
        "series": len({sample.series for sample in samples if sample.series}),
        "masks": sum(sample.mask is not None for sample in samples),
        "slices with a tumour": sum(TASK.is_positive(str(sample.label)) for sample in samples),
    }
    wrong = [f"{name}: {read[name]} of {expected[name]}" for name in expected if read[name] != expected[name]]
    if wrong:
        raise DataError(f"{folder.name} is not read as its table says: {'; '.join(wrong)}")
    unmarked = sum(sample.mask is None and TASK.is_positive(str(sample.label)) for sample in samples)
    if expected["masks"] and unmarked:
        raise DataError(f"{folder.name}: {unmarked} slices with a tumour have no mask")


def contents(dataset: Dataset) -> str:
    """Counts what a collection holds, in one line.

    Args:
        dataset: What the application reads of it.
    """
    samples = dataset.samples
    contrasts = Counter(str(sample.acquisition.get("contrast", NOT_STATED)) for sample in samples)
    counts = {
        "slices": len(samples),
        "with a tumour": sum(TASK.is_positive(str(sample.label)) for sample in samples),
        "masks": sum(sample.mask is not None for sample in samples),
        "people": len({sample.group for sample in samples}),
        "series": len({sample.series for sample in samples if sample.series}),
    }
    said = ", ".join(f"{count} {name}" for name, count in counts.items())
    return f"{said}; contrast {', '.join(f'{name} {count}' for name, count in sorted(contrasts.items()))}"


def _rows(table: Path) -> Sequence[_Row]:
    with table.open(encoding="utf-8-sig", newline="") as stream:
        return [
            _Row(
                row["label"],
                row.get("patient") or row.get("group") or "",
                row.get("series") or (row["path"] if is_volume(row["path"]) else ""),
                row.get("mask") or "",
            )
            for row in csv.DictReader(stream)
        ]


if __name__ == "__main__":
    sys.exit(main())
