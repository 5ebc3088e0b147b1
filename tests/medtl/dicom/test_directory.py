"""A disc that was copied in part: its DICOMDIR lists more files than are there."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from medtl.inputs import read_inputs
from tests.medtl.test_inputs import write_directory, write_slice

LACK = "1 of 3 files that the DICOMDIR lists in the folder of this series are missing: a slice may be among them"


def disc(root: Path, folder: str, *, slices: int) -> Path:
    for number in range(1, slices + 1):
        write_slice(root / folder / f"im{number}", number, 5.0 * number)
    above = tuple(part.upper() for part in Path(folder).parts)
    listed = [(*above, f"IM{number}") for number in (1, 2, 3)]
    write_directory(root / "DICOMDIR", [*listed, ("OTHER", "IM9")])
    return root


def zipped(root: Path) -> Path:
    path = root.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(root.rglob("*")):
            if file.is_file():
                archive.write(file, Path("export") / file.relative_to(root))
    return path


@pytest.mark.parametrize("folder", ["", "dicom/se1"])
def test_files_that_the_directory_lists_and_that_are_missing_are_noted(tmp_path: Path, folder: str) -> None:
    root = disc(tmp_path / "disc", folder, slices=2)
    for place in (root, zipped(root)):
        (item,) = read_inputs([place])
        assert item.refusal is None
        assert LACK in item.notes


def test_whole_disc_and_one_whose_files_were_renamed_have_no_note(tmp_path: Path) -> None:
    root = disc(tmp_path / "disc", "dicom", slices=3)
    for place in (root, zipped(root)):
        (item,) = read_inputs([place])
        assert not any("DICOMDIR" in note for note in item.notes)
    for file in (root / "dicom").iterdir():
        file.rename(file.with_suffix(".dcm"))
    (item,) = read_inputs([root])
    assert not any("DICOMDIR" in note for note in item.notes)
    (root / "DICOMDIR").write_bytes((root / "DICOMDIR").read_bytes()[:200])
    (item,) = read_inputs([root])
    assert item.refusal is None
