"""Unpacks whole heads with a table for `medtl train`: `python -m benchmarks.whole_heads DATA OUT`.

DATA is the folder of hospitals.zip and dicom.zip. OUT gets `lgg_du` (gliomas slice by slice; all of them axial, which
its table does not say), `ms`, `volunteers` (three T1 series of people who are taken for tumour-free), and `elderly`,
whose licence is not stated: it may judge, and no model that is passed on may learn from it.
"""

from __future__ import annotations

import argparse
import csv
import io
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.hospitals import COLUMNS, SLICES, VOLUMES, write_table
from shared.errors import DataError, MedtlError
from shared.io.atomic import write_text

HEALTHY = ("axial_t1_implicit_vr", "philips_t1_mprage", "siemens_t1_sagittal")
"""Folders of dicom.zip that hold one T1 series each, of one person each, without contrast agent.

They are taken for tumour-free: they were made to test software, and no report is with them."""


def main() -> int:
    """Unpacks both archives; 1 where one is damaged or missing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.whole_heads", description=__doc__)
    parser.add_argument("data", type=Path, help="folder of hospitals.zip and dicom.zip")
    parser.add_argument("out", type=Path, help="folder to write; what stands there is written again")
    given = parser.parse_args()
    try:
        unpack(given.data, given.out)
    except (MedtlError, OSError, zipfile.BadZipFile) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def unpack(data: Path, out: Path) -> None:
    """Unpacks the collections, each with its `labels.csv`.

    Args:
        data: Folder of hospitals.zip and dicom.zip.
        out: Folder to write; it is made.

    Raises:
        DataError: Volumes are not named by contrast, or a series of `HEALTHY` is missing.
        OSError: An archive is missing or cannot be read.
        BadZipFile: An archive is damaged.
    """
    with (
        zipfile.ZipFile(data / "hospitals.zip") as hospitals,
        zipfile.ZipFile(data / "dicom.zip") as dicom,
        tempfile.TemporaryDirectory() as scratch,
    ):
        dicom.extractall(scratch)
        found = {name: next(Path(scratch).rglob(name), None) for name in HEALTHY}
        if missing := [name for name, source in found.items() if source is None]:
            raise DataError(f"dicom.zip has no folder {missing[0]}; give the archive that belongs to hospitals.zip")
        hospitals.extractall(out)
        for name in VOLUMES:
            write_table(out / name)
        _state_plane(out / SLICES / "labels.csv")
        _write_volunteers([source for source in found.values() if source is not None], out / "volunteers")


def _state_plane(table: Path) -> None:
    """Adds the column `plane`, axial in every row."""
    with table.open(encoding="utf-8-sig", newline="") as stream:
        header, *rows = csv.reader(stream)
    if "plane" not in header:
        _write(table, [[*header, "plane"], *([*row, "axial"] for row in rows)])


def _write_volunteers(series: Sequence[Path], folder: Path) -> None:
    """Copies series and writes their table; each is of a person of its own."""
    rows = [list(COLUMNS)]
    for source in series:
        name = source.name
        shutil.copytree(source, folder / name, dirs_exist_ok=True)
        rows += [[f"{name}/{path.name}", "no_tumour", name, "t1"] for path in sorted(source.iterdir())]
    _write(folder / "labels.csv", rows)


def _write(table: Path, rows: list[list[str]]) -> None:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    write_text(table, stream.getvalue())


if __name__ == "__main__":
    sys.exit(main())
