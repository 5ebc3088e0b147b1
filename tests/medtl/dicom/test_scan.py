from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from medtl.dicom import scan as scanning
from medtl.dicom.reader import read_header
from medtl.dicom.scan import (
    CUT_OFF,
    Contents,
    OtherFile,
    Refused,
    SeriesFiles,
    decode_series,
    name_series,
    resolve_file_ids,
    scan,
)
from tests.medtl.dicom.test_reader import STORED, mr, to_bytes


def header_bytes(**tags: Any) -> bytes:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.4", "1.2.3"
    dataset.PatientID, dataset.StudyInstanceUID = "a", "1.2"
    dataset.Rows = dataset.Columns = 64
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def write(folder: Path, **files: bytes) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return [str(folder / name) for name in files]


def scanned(sources: list[str]) -> Contents:
    return scan(sources, lambda source, data: "other" if data == b"other" else "dicom")


def files_of(contents: Contents) -> list[list[str]]:
    return [[Path(source).name for source, _ in series.files] for series in contents.series()]


def test_files_of_one_series_uid_and_patient_belong_together(tmp_path: Path) -> None:
    first, second = header_bytes(SeriesInstanceUID="1.9"), header_bytes(SeriesInstanceUID="1.8")
    stranger = header_bytes(SeriesInstanceUID="1.9", PatientID="b")
    assert files_of(scanned(write(tmp_path, a=first, b=second, c=first, d=stranger))) == [["a", "c"], ["b"], ["d"]]


def test_files_without_series_uid_stand_alone(tmp_path: Path) -> None:
    assert files_of(scanned(write(tmp_path, a=header_bytes(), b=header_bytes()))) == [["a"], ["b"]]


def test_other_files_keep_their_place_and_kind(tmp_path: Path) -> None:
    sources = write(tmp_path, a=b"other", b=header_bytes())
    contents = scanned(sources)
    assert contents.entries[0] == OtherFile(sources[0], "other")
    assert isinstance(contents.entries[1], SeriesFiles)


def test_dicomdir_among_the_files_is_passed_over(tmp_path: Path) -> None:
    contents = scanned(write(tmp_path, a=header_bytes(SOPClassUID="1.2.840.10008.1.3.10")))
    assert (contents.entries, contents.passed_over) == ([], 1)


def test_damaged_file_counts_in_the_only_series_of_its_folder(tmp_path: Path) -> None:
    contents = scanned(write(tmp_path, a=header_bytes(), b=b"nothing"))
    assert [series.unreadable for series in contents.series()] == [1]
    assert len(contents.entries) == 1


def test_damaged_file_in_a_folder_of_its_own_is_refused(tmp_path: Path) -> None:
    contents = scanned(write(tmp_path / "a", a=header_bytes()) + write(tmp_path / "b", b=b"nothing"))
    (series,) = contents.series()
    assert (series.unreadable, series.notes) == (0, [])
    assert isinstance(contents.entries[-1], Refused)


@pytest.mark.parametrize(
    ("sources", "names"),
    [
        ([["x/a"]], ["given"]),
        ([["x/a"], ["y/a"]], ["x", "y"]),
        ([["x/a"], ["x/b"]], ["given (series 1)", "given (series 2)"]),
        ([["x/a", "y/a"], ["z/a"]], ["given (series 1)", "z"]),
    ],
)
def test_series_are_named_by_their_folders_or_by_number(sources: list[list[str]], names: list[str]) -> None:
    header = read_header(header_bytes())
    series = [SeriesFiles([(source, header) for source in one]) for one in sources]
    assert list(name_series("given", series)) == names


def test_pixels_of_a_series_are_those_of_all_its_files() -> None:
    header = read_header(header_bytes())
    layout = replace(header.layout, rows=3, columns=4, frames=2)
    series = SeriesFiles([("a", replace(header, layout=layout))] * 2)
    assert series.pixels() == 48


@pytest.mark.parametrize(("most", "readings"), [(scanning.MOST_KEPT_BYTES, 2), (0, 4)])
def test_files_are_read_again_only_beyond_what_is_kept(
    most: int, readings: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "MOST_KEPT_BYTES", most)
    read, read_source = list[str](), scanning.read_source
    monkeypatch.setattr(scanning, "read_source", lambda source: read.append(source) or read_source(source))
    images = {name: to_bytes(mr(STORED + z, ImagePositionPatient=[0, 0, z])) for z, name in enumerate("ab")}
    (series,) = scanned(write(tmp_path, **images)).series()
    slices, _, _ = decode_series(series)
    assert len(read) == readings
    for z, one in enumerate(slices):
        np.testing.assert_array_equal(one.pixels, STORED + z)


def test_file_ids_are_found_in_any_case_and_never_outside(tmp_path: Path) -> None:
    write(tmp_path / "disc" / "dcm", im1=b"x")
    write(tmp_path, secret=b"x")
    found = resolve_file_ids(tmp_path / "disc", [("DCM", "IM1"), ("DCM", "IM2"), ("..", "secret"), ("dcm",)])
    assert found == [str(tmp_path / "disc" / "dcm" / "im1"), None, None, None]


def test_file_that_says_neither_series_nor_image_is_cut_off(tmp_path: Path) -> None:
    contents = scanned(write(tmp_path, a=header_bytes(Rows=0)))
    assert [entry.reason for entry in contents.entries if isinstance(entry, Refused)] == [CUT_OFF]
    assert not contents.series()
    (series,) = scanned(write(tmp_path, b=header_bytes(Rows=0, SeriesInstanceUID="1.2.3"))).series()
    assert len(series.files) == 1
