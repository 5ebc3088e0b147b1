from __future__ import annotations

import gzip
import io
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from benchmarks.stored_head import (
    PLANES,
    TURNS,
    StoredHead,
    Turn,
    in_plane,
    read_head,
    turned,
    write_enhanced,
    write_nifti,
    write_slices,
)
from medtl.inputs import read_inputs
from shared.errors import UsageError
from shared.io.archives import read_source
from shared.samples import NOT_STATED, Position
from shared.task import Item, Origin

SIDE = 40


def write_slice(path: Path, value: int, place_mm: float | None = 0.0, series: str = "1.2.3", **tags: Any) -> Path:
    """A slice whose first pixel is `value`, so that it is known again."""
    stored = np.arange(SIDE * SIDE, dtype="<u2").reshape(SIDE, SIDE)
    stored[0, 0] = value
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    dataset.SOPInstanceUID = f"1.2.3.{value}"
    dataset.Modality, dataset.BodyPartExamined, dataset.PatientID = "MR", "HEAD", "4711"
    dataset.SeriesInstanceUID, dataset.InstanceNumber = series, value
    dataset.Rows = dataset.Columns = SIDE
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 0
    dataset.PixelSpacing = [1, 1]
    if place_mm is not None:
        dataset.ImagePositionPatient = [0, 0, place_mm]
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.PixelData = stored.tobytes()
    for keyword, value_of_tag in tags.items():
        setattr(dataset, keyword, value_of_tag)
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    return path


def write_series(folder: Path, values: Sequence[int], **tags: Any) -> Path:
    """Slices 5 mm apart in the order of `values`, under names in the opposite order."""
    for index, value in enumerate(values):
        write_slice(folder / f"{len(values) - index:03d}.dcm", value, 5.0 * index, **tags)
    return folder


def known(item: Item) -> list[int]:
    assert item.refusal is None
    return [int(one[0, 0]) for one in item.slices]


def only(path: Path) -> Item:
    (item,) = read_inputs([path])
    assert item.refusal is None or ("\n" not in item.refusal and not item.slices)
    assert "4711" not in f"{item.refusal} {item.notes}"
    return item


def refusal(path: Path) -> str:
    reason = only(path).refusal
    assert reason is not None
    return reason


def test_path_that_does_not_exist_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        read_inputs([tmp_path / "nothing.dcm"])


def test_single_slice_is_one_item_named_as_given(tmp_path: Path) -> None:
    path = write_slice(tmp_path / "a.dcm", 7)
    item = only(path)
    assert (item.name, known(item), item.notes) == (str(path), [7], ())
    assert item.slices[0].dtype == np.float32


def test_series_is_sorted_by_position_not_by_name(tmp_path: Path) -> None:
    item = only(write_series(tmp_path / "series", [30, 10, 20, 40]))
    assert known(item) == [30, 10, 20, 40]
    assert item.name == str(tmp_path / "series")
    assert item.notes == ()


def test_sagittal_series_is_sorted_along_its_own_normal(tmp_path: Path) -> None:
    for value, x in ((1, 10.0), (2, -10.0), (3, 0.0)):
        write_slice(
            tmp_path / f"{value}.dcm",
            value,
            ImagePositionPatient=[x, 0, 0],
            ImageOrientationPatient=[0, 1, 0, 0, 0, -1],
        )
    # Rows run to the back and columns to the feet: the normal points to the patient's right.
    item = only(tmp_path)
    assert known(item) == [1, 3, 2]
    assert item.positions == (Position(-10.0), Position(0.0), Position(10.0))


def test_gap_is_noted(tmp_path: Path) -> None:
    folder = write_series(tmp_path, [1, 2, 3, 4, 5, 6])
    (folder / "003.dcm").unlink()
    (note,) = only(folder).notes
    assert "1 gap" in note
    assert "10.0 mm" in note


def test_slices_without_position_are_ordered_by_number_and_say_so(tmp_path: Path) -> None:
    for name, value in (("a", 3), ("b", 1), ("c", 2)):
        write_slice(tmp_path / f"{name}.dcm", value, None)
    item = only(tmp_path)
    assert known(item) == [1, 2, 3]
    assert any("3 of 3 slices state no position" in note for note in item.notes)
    assert any("do not state how they lie in the patient" in note for note in item.notes)
    assert item.acquisition["plane"] == NOT_STATED


def test_parallel_series_of_one_slice_are_said_to_be_perhaps_one(tmp_path: Path) -> None:
    for value in range(5):
        write_slice(tmp_path / f"{value}.dcm", value, 5.0 * value, series=f"1.2.{value + 1}")
    items = list(read_inputs([tmp_path]))
    assert len(items) == 5
    assert all(any("this and 4 other series have one slice each" in note for note in item.notes) for item in items)
    (tmp_path / "0.dcm").unlink()
    (tmp_path / "1.dcm").unlink()
    assert not any("one slice each" in note for item in read_inputs([tmp_path]) for note in item.notes)


def test_copies_are_judged_once(tmp_path: Path) -> None:
    write_series(tmp_path, [1, 2, 3])
    (tmp_path / "copy.dcm").write_bytes((tmp_path / "002.dcm").read_bytes())
    item = only(tmp_path)
    assert known(item) == [1, 2, 3]
    assert "1 slices are copies" in item.notes[0]


def test_each_slice_knows_its_file_and_frame(tmp_path: Path) -> None:
    write_series(tmp_path, [30, 10, 20])
    (tmp_path / "a.dcm").write_bytes((tmp_path / "002.dcm").read_bytes())
    item = only(tmp_path)
    assert [(one.source, one.index) for one in item.origins] == [
        (str(tmp_path / name), 0) for name in ("003.dcm", "002.dcm", "001.dcm")
    ]
    for origin, pixels in zip(item.origins, item.slices, strict=True):
        made = pydicom.dcmread(origin.source)
        assert made.pixel_array[0, 0] == pixels[0, 0]
        assert origin.numbers == {"frame": 1, "instance_number": made.InstanceNumber}


def test_frames_of_one_file_know_their_numbers(tmp_path: Path) -> None:
    stored = np.arange(2 * SIDE * SIDE, dtype="<u2").tobytes()
    item = only(write_slice(tmp_path / "a.dcm", 1, NumberOfFrames=2, PixelData=stored))
    assert [(one.source, one.index) for one in item.origins] == [(str(tmp_path / "a.dcm"), index) for index in (0, 1)]
    assert [one.numbers["frame"] for one in item.origins] == [1, 2]


def test_refused_series_still_names_its_files(tmp_path: Path) -> None:
    path = write_slice(tmp_path / "a.dcm", 1, BodyPartExamined="KNEE")
    assert only(path).origins == (Origin(str(path)),)


def test_member_of_a_zip_is_named_as_it_is_read(tmp_path: Path) -> None:
    data = write_slice(tmp_path / "a.dcm", 1).read_bytes()
    path = zipped(tmp_path / "a.zip", {"in/a.dcm": data})
    (origin,) = only(path).origins
    assert read_source(origin.source) == data


@pytest.mark.parametrize(
    ("stated", "told"), [("3", {"series_number": 3}), ("", {}), ("Planted", {}), ("19511224", {}), ("1.5", {})]
)
def test_the_number_of_a_series_is_told_where_it_is_one_and_decides_nothing(
    tmp_path: Path, stated: str, told: dict[str, int]
) -> None:
    write_series(tmp_path, [1, 2])
    for path in tmp_path.iterdir():
        made = pydicom.dcmread(path)
        made.add_new("SeriesNumber", "LO", stated)  # any text, as damaged files have it
        made.save_as(path)
    item = only(tmp_path)
    assert item.refusal is None
    assert item.series == {"format": "DICOM", "plane": "axial", **told}


def test_a_slice_of_a_volume_knows_its_place_in_the_array(tmp_path: Path) -> None:
    voxels = np.arange(SIDE * SIDE * 5, dtype=np.int16).reshape(SIDE, SIDE, 5)
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([-1.0, -1.0, 5.0, 1.0])), tmp_path / "a.nii.gz")
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([-1.0, -1.0, -5.0, 1.0])), tmp_path / "b.nii.gz")
    for name, order in (("a.nii.gz", range(5)), ("b.nii.gz", reversed(range(5)))):
        item = only(tmp_path / name)
        assert item.series == {"format": "NIfTI", "axis": 2, "plane": "axial"}
        assert item.origins == tuple(Origin(str(tmp_path / name), index, {"index": index}) for index in order)
        assert item.positions == tuple(Position(5.0 * number) for number in range(5))


def test_different_images_of_one_place_are_refused(tmp_path: Path) -> None:
    write_series(tmp_path, [1, 2, 3])
    write_slice(tmp_path / "echo.dcm", 4, 5.0)
    assert "shows 1 of its places more than once" in refusal(tmp_path)


def test_mixed_orientations_are_refused(tmp_path: Path) -> None:
    write_series(tmp_path, [1, 2, 3])
    write_slice(tmp_path / "x.dcm", 4, ImageOrientationPatient=[0, 1, 0, 0, 0, -1])
    assert "2 orientations" in refusal(tmp_path)


def test_blank_slices_are_left_out_and_may_not_fill_a_series(tmp_path: Path) -> None:
    blank = np.zeros((SIDE, SIDE), "<u2").tobytes()
    write_series(tmp_path / "some", [1, 2])
    write_slice(tmp_path / "some" / "end.dcm", 3, 10.0, PixelData=blank)
    item = only(tmp_path / "some")
    assert known(item) == [1, 2]
    assert item.notes == ("1 of 3 slices are blank and were left out: slice numbers do not count them",)
    assert [Path(one.source).name for one in item.origins] == ["002.dcm", "001.dcm"]
    assert [one.unit for one in item.positions] == ["mm", "mm"]
    assert np.diff([one.value for one in item.positions]).tolist() == pytest.approx([5.0])
    write_slice(tmp_path / "all" / "a.dcm", 1, 0.0, PixelData=blank)
    assert "blank" in refusal(tmp_path / "all")


def write_volume(path: Path, areas: Sequence[float]) -> Path:
    """Writes a NIfTI volume of discs; each covers its share of its slice."""
    rows, columns = np.mgrid[-1 : 1 : 64 * 1j, -1 : 1 : 64 * 1j]
    radii = [2 * np.sqrt(area / np.pi) for area in areas]
    discs = [np.where(np.hypot(rows, columns) < radius, 100 + 20 * np.sin(9 * rows), 0) for radius in radii]
    nibabel.save(nibabel.Nifti1Image(np.stack(discs, axis=2).astype(np.float32), np.diag([-1.0, -1.0, 5.0, 1.0])), path)
    return path


def test_slices_with_little_head_are_left_out_and_the_others_keep_their_places(tmp_path: Path) -> None:
    item = only(write_volume(tmp_path / "a.nii.gz", [0.04, 0.3, 0.5, 0.4, 0.05, 0.06]))
    assert [one.index for one in item.origins] == [1, 2, 3]
    assert "3 of 6 slices show little head and were left out: slice numbers do not count them" in item.notes


def test_a_volume_has_the_contrast_of_its_name_and_says_so_without_the_name(tmp_path: Path) -> None:
    item = only(write_volume(tmp_path / "patient01_FLAIR.nii.gz", [0.3, 0.5, 0.4]))
    assert item.acquisition["contrast"] == "FLAIR"
    assert "contrast FLAIR, by the name of the file" in item.notes
    assert not any("patient01" in note for note in item.notes)
    silent = only(write_volume(tmp_path / "T1_FLAIR.nii.gz", [0.3, 0.5, 0.4]))
    assert silent.acquisition["contrast"] == NOT_STATED
    assert not any("by the name" in note for note in silent.notes)


def test_cropping_the_ends_with_little_head_changes_nothing(tmp_path: Path) -> None:
    areas = [0.02, 0.06, 0.14, 0.3, 0.5, 0.4, 0.11, 0.03]
    whole, cropped = (write_volume(tmp_path / name, cut) for name, cut in (("a.nii", areas), ("b.nii", areas[2:-2])))
    assert [one.tolist() for one in only(whole).slices] == [one.tolist() for one in only(cropped).slices]


def test_a_picture_with_little_head_is_refused_in_one_line_with_its_share(tmp_path: Path) -> None:
    rows, columns = np.mgrid[-1 : 1 : 64 * 1j, -1 : 1 : 64 * 1j]
    spot = np.where(np.hypot(rows, columns) < 0.2, 150 + 50 * np.sin(40 * rows), 0).astype(np.uint8)
    Image.fromarray(spot).save(tmp_path / "vertex.png")
    reason = refusal(tmp_path / "vertex.png")
    assert reason.startswith("shows too little head to be judged: ")
    assert reason.endswith("% of the picture; at least 5% are needed")


@pytest.mark.parametrize("kept_bytes", [2000, 60])
def test_series_with_a_damaged_slice_is_refused(tmp_path: Path, kept_bytes: int) -> None:
    write_series(tmp_path, range(1, 21))
    for name in ("004.dcm", "005.dcm"):
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:kept_bytes])
    assert "2 of 20 slices cannot be read" in refusal(tmp_path)


def test_series_are_told_apart_and_counted_without_uids(tmp_path: Path) -> None:
    write_series(tmp_path / "b", [1, 2], series="1.2.77")
    write_series(tmp_path / "a", [3, 4], series="1.2.99")
    first, second = read_inputs([tmp_path])
    assert (first.name, second.name) == (str(tmp_path / "a"), str(tmp_path / "b"))
    assert (known(first), known(second)) == ([3, 4], [1, 2])


def test_damaged_file_beside_several_series_is_refused_and_noted(tmp_path: Path) -> None:
    write_slice(tmp_path / "a.dcm", 1, series="1.2.77")
    write_slice(tmp_path / "b.dcm", 2, series="1.2.99")
    (tmp_path / "c.dcm").write_bytes(b"nothing")
    first, second, broken = read_inputs([tmp_path])
    assert broken.name == str(tmp_path / "c.dcm")
    assert broken.refusal is not None
    assert all("a slice may be missing" in one.notes[0] for one in (first, second))


@pytest.mark.parametrize("end", [20, 136, 200, 400, 700, -500])
def test_slice_that_breaks_off_anywhere_is_one_of_the_series_that_cannot_be_read(tmp_path: Path, end: int) -> None:
    write_series(tmp_path, [1, 2, 3])
    last = tmp_path / "001.dcm"
    last.write_bytes(last.read_bytes()[:end])
    assert "1 of 3" in refusal(tmp_path)


def test_series_with_one_unsuitable_file_is_refused(tmp_path: Path) -> None:
    write_series(tmp_path, [1, 2, 3])
    write_slice(tmp_path / "phase.dcm", 4, 20.0, ImageType=["ORIGINAL", "PRIMARY", "P"])
    assert "1 of 4 files of the series" in refusal(tmp_path)


def test_text_beside_a_series_is_passed_over(tmp_path: Path) -> None:
    write_series(tmp_path, [1, 2])
    (tmp_path / "labels.csv").write_text("path,label\n")
    assert known(only(tmp_path)) == [1, 2]


def test_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    assert "nothing that can be judged (1 other files)" in refusal(tmp_path)
    assert refusal(tmp_path / "notes.txt")


def test_unstated_body_part_is_noted(tmp_path: Path) -> None:
    assert "body part" in only(write_slice(tmp_path / "a.dcm", 1, BodyPartExamined="")).notes[0]


def test_real_part_is_noted(tmp_path: Path) -> None:
    item = only(write_slice(tmp_path / "a.dcm", 1, ImageType=["ORIGINAL", "PRIMARY", "OTHER", "R", "IR"]))
    assert "real part" in item.notes[0]


def test_tiny_image_is_refused(tmp_path: Path) -> None:
    pixels = np.arange(256, dtype="<u2").tobytes()
    assert "16 x 16" in refusal(write_slice(tmp_path / "a.dcm", 1, Rows=16, Columns=16, PixelData=pixels))


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_zip_is_read_like_a_folder_and_not_unpacked(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "in", [3, 1, 2])
    members = {f"study/{path.name}": path.read_bytes() for path in folder.iterdir()}
    out = tmp_path / "out"
    out.mkdir()
    archive = zipped(out / "a.zip", members)
    assert known(only(archive)) == [3, 1, 2]
    assert list(out.iterdir()) == [archive]


def test_zip_in_a_folder_is_opened_and_zip_in_a_zip_is_not(tmp_path: Path) -> None:
    data = write_slice(tmp_path / "a.dcm", 5).read_bytes()
    inner = zipped(tmp_path / "inner.zip", {"a.dcm": data})
    folder = tmp_path / "folder"
    folder.mkdir()
    zipped(folder / "one.zip", {"a.dcm": data})
    assert known(only(folder)) == [5]
    assert "archive in an archive" in refusal(zipped(tmp_path / "outer.zip", {"inner.zip": inner.read_bytes()}))


def test_damaged_zip_is_refused(tmp_path: Path) -> None:
    data = write_slice(tmp_path / "a.dcm", 5).read_bytes()
    archive = zipped(tmp_path / "a.zip", {"a.dcm": data})
    content = bytearray(archive.read_bytes())
    content[60:200] = b"\xff" * 140
    archive.write_bytes(content)
    assert refusal(archive)
    archive.write_bytes(bytes(content[:150]))
    assert refusal(archive)


def write_directory(path: Path, listed: Sequence[Sequence[str]]) -> Path:
    index = Dataset()
    index.preamble = b"\0" * 128
    index.file_meta = FileMetaDataset()
    index.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    index.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    index.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    index.DirectoryRecordSequence = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for parts in listed:
            record = Dataset()
            record.DirectoryRecordType, record.ReferencedFileID = "IMAGE", list(parts)
            index.DirectoryRecordSequence.append(record)
        pydicom.dcmwrite(path, index)
    return path


def test_dicomdir_leads_to_the_files_it_lists(tmp_path: Path) -> None:
    write_slice(tmp_path / "dcm" / "im1", 2, 5.0)
    write_slice(tmp_path / "DCM2" / "IM2", 1, 0.0)
    write_slice(tmp_path / "DCM2" / "IM3", 9, 7.0)
    index = write_directory(tmp_path / "DICOMDIR", [("DCM", "IM1"), ("DCM2", "IM2")])
    item = only(index)
    assert known(item) == [1, 2]
    assert item.name == str(index)


def test_dicomdir_never_leads_outside_of_its_folder(tmp_path: Path) -> None:
    outside = write_slice(tmp_path / "secret" / "IM1", 1)
    disc = tmp_path / "disc"
    disc.mkdir()
    (disc / "LINK").symlink_to(outside.parent)
    index = write_directory(disc / "DICOMDIR", [("..", "secret", "IM1"), ("LINK", "IM1"), (str(outside),)])
    assert refusal(index) == "3 of 3 files that the DICOMDIR lists are missing"


def test_dicomdir_says_which_files_are_missing(tmp_path: Path) -> None:
    write_slice(tmp_path / "IM1", 1)
    lacking, found = sorted(
        read_inputs([write_directory(tmp_path / "DICOMDIR", [("IM1",), ("IM2",)])]),
        key=lambda item: item.refusal is None,
    )
    assert lacking.refusal is not None
    assert "1 of 2 files" in lacking.refusal
    assert "1 of 2 files" in found.notes[0]


def test_folder_of_pictures_gives_one_item_a_file(tmp_path: Path) -> None:
    grey = np.arange(SIDE * SIDE, dtype=np.uint8).reshape(SIDE, SIDE)
    for name in ("b.png", "a.bmp", "c.tif"):
        Image.fromarray(grey).save(tmp_path / name)
    Image.fromarray(grey).save(tmp_path / "d.jpg")
    found = list(read_inputs([tmp_path]))
    assert [Path(item.name).name for item in found] == ["a.bmp", "b.png", "c.tif", "d.jpg"]
    for item in found[:3]:
        np.testing.assert_array_equal(item.slices[0], grey)


def test_damaged_and_blank_pictures_are_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (SIDE, SIDE), dtype=np.uint8)).save(stream, "PNG")
    (tmp_path / "cut.png").write_bytes(stream.getvalue()[:300])
    assert "damaged" in refusal(tmp_path / "cut.png")
    Image.new("L", (SIDE, SIDE), 7).save(tmp_path / "blank.png")
    assert "blank" in refusal(tmp_path / "blank.png")
    (tmp_path / "text.png").write_text("no picture")
    assert refusal(tmp_path / "text.png") == "is text and no image"
    (tmp_path / "noise.png").write_bytes(bytes(range(1, 200)))
    assert "neither DICOM" in refusal(tmp_path / "noise.png")


def test_picture_bomb_is_refused(tmp_path: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    assert refusal(tmp_path / "bomb.png")


@pytest.mark.parametrize("name", ["v.nii", "v.nii.gz"])
def test_volume_becomes_axial_slices_from_the_feet_up(tmp_path: Path, name: str) -> None:
    x, y, z = np.meshgrid(np.arange(36), np.arange(40), np.arange(5), indexing="ij")
    volume = (x + 100 * y + 10_000 * z).astype(np.float32)
    # Stored with the head first: the affine says that z runs down.
    nibabel.save(nibabel.Nifti1Image(volume, np.diag([1.0, 1, -3, 1])), tmp_path / name)
    item = only(tmp_path / name)
    assert [one.shape for one in item.slices] == [(40, 36)] * 5
    assert item.slices[0][0, 0] == 35 + 100 * 39 + 10_000 * 4
    assert item.slices[4][39, 35] == 0


def test_picture_says_that_it_does_not_know_how_it_lies(tmp_path: Path) -> None:
    Image.fromarray(np.tile(np.arange(64, dtype=np.uint8), (64, 1))).save(tmp_path / "a.png")
    item = only(tmp_path / "a.png")
    assert any("does not say how it lies" in note for note in item.notes)
    assert item.acquisition == {}


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("write", [write_slices, write_enhanced, write_nifti])
@pytest.mark.parametrize("plane", PLANES)
def test_one_head_gives_the_same_slices_however_it_is_stored(
    tmp_path: Path, plane: str, write: Callable[[StoredHead, Path], Path], turn: Turn
) -> None:
    folder = tmp_path / "plain"
    for index in range(3):
        write_slice(folder / f"{index}.dcm", index, place_mm=5.0 * index)
    upright = in_plane(read_head(sorted(folder.iterdir())), plane)
    path = write(turned(upright, turn), tmp_path / "turned.nii")
    item = only(path)
    assert (item.acquisition["plane"], item.acquisition["pixel spacing in mm"]) == (plane, 1.0)
    np.testing.assert_array_equal(np.stack(item.slices), upright.voxels)


def test_damaged_volume_is_refused(tmp_path: Path) -> None:
    whole = nibabel.Nifti1Image(np.ones((40, 40, 4), np.float32), np.eye(4)).to_bytes()
    (tmp_path / "cut.nii").write_bytes(whole[:5000])
    assert "damaged" in refusal(tmp_path / "cut.nii")
    (tmp_path / "cut.nii.gz").write_bytes(gzip.compress(whole)[:60])
    assert "breaks off" in refusal(tmp_path / "cut.nii.gz")


def test_volume_that_states_more_than_is_ever_read_is_refused(tmp_path: Path) -> None:
    data = bytearray(nibabel.Nifti1Image(np.ones((40, 40, 4), np.uint8), np.eye(4)).to_bytes())
    data[42:48] = np.array([1000, 1000, 1000], "<i2").tobytes()
    (tmp_path / "bomb.nii").write_bytes(data)
    assert "1000000000 voxels" in refusal(tmp_path / "bomb.nii")


def test_volume_that_unpacks_to_far_more_than_its_size_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = nibabel.Nifti1Image(np.zeros((200, 200, 40), np.uint8), np.eye(4)).to_bytes()
    (tmp_path / "zeros.nii.gz").write_bytes(gzip.compress(whole))
    monkeypatch.setattr("shared.io.archives.FREE_BYTES", 1000)
    assert "as no image of its size does" in refusal(tmp_path / "zeros.nii.gz")


def test_zeros_are_no_dicom(tmp_path: Path) -> None:
    (tmp_path / "zeros.dcm").write_bytes(bytes(1 << 26))  # pydicom alone makes elements of them for a minute
    assert "neither DICOM" in refusal(tmp_path / "zeros.dcm")


def test_maker_that_is_none_becomes_no_domain(tmp_path: Path) -> None:
    item = only(write_slice(tmp_path / "a.dcm", 1, Manufacturer="Doe^Jane", ManufacturerModelName="19511224"))
    assert item.domains == ("unknown",)


def test_other_gzip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"x" * 500))
    assert "gzip" in refusal(tmp_path / "a.gz")


def test_one_item_is_read_at_a_time(tmp_path: Path) -> None:
    first, second = write_slice(tmp_path / "a.dcm", 1), write_slice(tmp_path / "b.dcm", 2)
    stream = read_inputs([first, second])
    assert next(stream).refusal is None
    second.write_bytes(b"changed meanwhile")
    assert next(stream).refusal is not None


def test_no_torch_is_imported() -> None:
    program = "import sys, medtl.inputs; sys.exit(any(name in sys.modules for name in ('torch', 'monai')))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.data
def test_every_real_file_gives_items_or_one_line(data_dir: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(data_dir / "dicom.zip") as archive:
        archive.extractall(tmp_path)
    assessed: dict[str, int] = {}
    for path in sorted(path for path in tmp_path.rglob("*") if path.is_file()):
        for item in read_inputs([path]):
            if item.refusal is None:
                assert item.slices
                assessed[path.parent.name] = assessed.get(path.parent.name, 0) + 1
            else:
                assert item.refusal
                assert "\n" not in item.refusal
    assert assessed == {
        "axial_t1_implicit_vr": 47,
        "edge_cases": 8,
        "philips_t1_mprage": 39,
        "siemens_t1_enhanced": 1,
        "siemens_t1_sagittal": 32,
        "wg04_compressed": 14,
    }


@pytest.mark.data
def test_zip_of_all_real_files_gives_the_series(data_dir: Path) -> None:
    slices = sorted(len(item.slices) for item in read_inputs([data_dir / "dicom.zip"]) if item.refusal is None)
    assert slices[-4:] == [30, 36, 45, 69]  # of 35, 43, 48 and 96: the others show ears, scalp or noise


def test_masks_that_a_table_names_are_not_judged(tmp_path: Path) -> None:
    write_series(tmp_path / "a", [1, 2], series="1.2.77")
    (tmp_path / "masks").mkdir()
    Image.new("L", (64, 64), 0).save(tmp_path / "masks" / "a.png")
    (tmp_path / "labels.csv").write_text("path,label,mask\na/1.dcm,glioma,masks/a.png\na/2.dcm,no_tumour,\n")
    (item,) = read_inputs([tmp_path])
    assert known(item) == [1, 2]


def test_a_picture_does_not_say_what_it_shows(tmp_path: Path) -> None:
    Image.fromarray(np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)).save(tmp_path / "a.png")
    (item,) = read_inputs([tmp_path / "a.png"])
    assert "was not checked" in item.notes[0]


@pytest.mark.parametrize("zipped", [False, True])
def test_masks_by_their_names_are_left_out_with_a_note_and_refused_where_they_are_given(
    tmp_path: Path, zipped: bool
) -> None:
    root = tmp_path / "case"
    for name in ("a.png", "a_mask.png", "masks/b.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.tile(np.arange(64, dtype=np.uint8), (64, 1))).save(root / name)
    place = root
    if zipped:
        place = tmp_path / "case.zip"
        with zipfile.ZipFile(place, "w") as archive:
            for path in sorted(root.rglob("*.png")):
                archive.write(path, path.relative_to(root))
    (item,) = read_inputs([place])
    assert (item.refusal, item.name.endswith("a.png")) == (None, True)
    assert "2 files that are masks by their names or a table were left out." in item.notes
    (mask,) = read_inputs([root / "a_mask.png"])
    assert mask.refusal == "is a mask by its name, a drawing of a finding; give the scan that it was drawn on"


def test_folder_of_masks_alone_says_that_they_are_masks(tmp_path: Path) -> None:
    for name in ("a_mask.png", "b_seg.png"):
        Image.fromarray(np.full((40, 40), 7, dtype=np.uint8)).save(tmp_path / name)
    item = only(tmp_path)
    assert "nothing that can be judged" in str(item.refusal)
    assert item.notes == ("2 files that are masks by their names or a table were left out.",)


@pytest.mark.parametrize(
    ("marks", "synthetic"),
    [
        (({"SyntheticData": "YES"}, {"SyntheticData": "YES"}), True),
        (({"SyntheticData": "YES"}, {"SyntheticData": "NO"}), False),
        (({"Manufacturer": "PHANTOM"}, {"Manufacturer": "PHANTOM"}), True),
        (({"Manufacturer": "SIEMENS"}, {}), False),
    ],
)
def test_a_series_is_synthetic_where_every_file_says_so(
    tmp_path: Path, marks: tuple[dict[str, str], ...], synthetic: bool
) -> None:
    for number, tags in enumerate(marks, start=1):
        write_slice(tmp_path / f"{number}.dcm", number, float(number), **tags)
    (item,) = read_inputs([tmp_path])
    assert item.refusal is None
    assert item.synthetic is synthetic
