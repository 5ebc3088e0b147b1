"""Maps and pictures lie on the voxel that they are about, however its slice is stored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import ParametricMapStorage, SecondaryCaptureImageStorage

from benchmarks.stored_head import PLANES, TURNS, StoredHead, Turn, coarser, turned, write_enhanced, write_slices
from medtl.inputs import read_inputs
from medtl.results.objects import result_objects
from medtl.transforms import preprocess
from shared.prediction.answer import SliceAnswer

ROWS, COLUMNS, SLICES = 64, 96, 4
MARKED = (1, 20, 70)
"""Slice, row and column of the marker in the upright head."""


def marked_head(series: Path, plane: str) -> StoredHead:
    """A head with one brightest voxel in a bright square, and with the tags of a series."""
    tags = pydicom.dcmread(next(iter(sorted(series.iterdir()))))
    rows, columns, slices = (np.array(direction, float) for direction in PLANES[plane])
    down, across = np.mgrid[:ROWS, :COLUMNS]
    disc = 300.0 * (((down - 32) / 26) ** 2 + ((across - 48) / 40) ** 2 < 1)
    noise = np.random.default_rng(0).integers(0, 20, (SLICES, ROWS, COLUMNS))
    voxels = (disc + noise).astype(np.uint16)
    index, row, column = MARKED
    voxels[index, row - 2 : row + 3, column - 2 : column + 3] = 2900  # a viewer's window clips a single pixel
    voxels[MARKED] = 3000
    return StoredHead(voxels, rows * 0.9, columns * 0.9, slices * 5.0, np.array([-43.0, -29.0, -60.0]), tags)


def place_of(position: Any, orientation: Any, spacing: Any, row: float, column: float) -> np.ndarray:
    """Where a pixel lies in the patient. Source: DICOM PS3.3, C.7.6.2.1.1."""
    cosines = np.array(orientation, float)
    return np.array(position, float) + cosines[:3] * spacing[1] * column + cosines[3:] * spacing[0] * row


def judged_as(judged: Any, source: Path) -> tuple[Any, int]:
    """A stored head judged with a map that marks the marked voxel; and the number of its slice."""
    (item,) = read_inputs([source])
    number = int(np.argmax([one.max() for one in item.slices])) + 1
    pixels = item.slices[number - 1]
    options = {"crop": False, "lower_percentile": 0.0, "upper_percentile": 100.0}
    spec = replace(judged.record.preprocessing, size=128, options={**judged.record.preprocessing.options, **options})
    marker = preprocess((pixels > 0.98 * pixels.max()).astype(np.float32), spec)[0]
    slices = tuple(
        SliceAnswer(index, "glioma", {"no_tumour": 0.1, "glioma": 0.9}, 0.9, "positive", 0.05)
        for index in range(1, len(item.slices) + 1)
    )
    answer, record = replace(judged.answer, slices=slices), replace(judged.record, preprocessing=spec)
    return replace(judged, item=item, answer=answer, record=record, maps={number: marker}), number


def map_place(made: Any) -> np.ndarray:
    """Where the largest value of a parametric map lies in the patient."""
    values = np.frombuffer(made.FloatPixelData, "<f4").reshape(-1, made.Rows, made.Columns)
    frame, row, column = np.unravel_index(values.argmax(), values.shape)
    group, common = made.PerFrameFunctionalGroupsSequence[frame], made.SharedFunctionalGroupsSequence[0]
    return place_of(
        group.PlanePositionSequence[0].ImagePositionPatient,
        common.PlaneOrientationSequence[0].ImageOrientationPatient,
        common.PixelMeasuresSequence[0].PixelSpacing,
        float(row),
        float(column),
    )


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("turn", TURNS)
def test_map_and_picture_lie_on_the_marked_voxel(judged: Any, tmp_path: Path, plane: str, turn: Turn) -> None:
    upright = marked_head(judged.folder, plane)
    truth = upright.corner + upright.up * MARKED[0] + upright.down * MARKED[1] + upright.along * MARKED[2]
    head = turned(upright, turn)
    found, number = judged_as(judged, write_slices(head, tmp_path / "series"))
    objects = result_objects(found.item, found.answer, found.record, found.maps)
    (made,) = (one for one in objects if one.SOPClassUID == ParametricMapStorage)
    np.testing.assert_allclose(map_place(made), truth, atol=1.0)
    (picture,) = (
        one
        for one in objects
        if one.SOPClassUID == SecondaryCaptureImageStorage
        and one.SourceImageSequence[0].ReferencedSOPInstanceUID
        == pydicom.dcmread(found.item.origins[number - 1].source).SOPInstanceUID
    )
    row, column = np.argwhere(head.voxels[MARKED[0]] == 3000)[0]
    shown = marker_in(picture, head.voxels.shape[1:])
    np.testing.assert_allclose(shown, (row, column), atol=1.5)
    source = pydicom.dcmread(found.item.origins[number - 1].source)
    assert list(picture.PatientOrientation) == list(sides(source.ImageOrientationPatient))


def test_map_of_pixels_that_are_not_square_lies_on_the_marked_voxel(judged: Any, tmp_path: Path) -> None:
    upright = coarser(marked_head(judged.folder, "axial"), columns=2)
    truth = upright.corner + upright.up * MARKED[0] + upright.down * MARKED[1] + upright.along * (MARKED[2] // 2)
    for index, turn in enumerate(TURNS):
        found, _ = judged_as(judged, write_enhanced(turned(upright, turn), tmp_path / f"{index}.dcm"))
        objects = result_objects(found.item, found.answer, found.record, found.maps)
        (made,) = (one for one in objects if one.SOPClassUID == ParametricMapStorage)
        assert (made.Rows, made.Columns) == turned(upright, turn).voxels.shape[1:]
        np.testing.assert_allclose(map_place(made), truth, atol=1.8)


def test_map_is_made_of_frames_that_state_all_of_their_geometry_themselves(judged: Any, tmp_path: Path) -> None:
    head = marked_head(judged.folder, "axial")
    truth = head.corner + head.up * MARKED[0] + head.down * MARKED[1] + head.along * MARKED[2]
    path = write_enhanced(head, tmp_path / "enhanced.dcm")
    stored = pydicom.dcmread(path)
    (common,) = stored.SharedFunctionalGroupsSequence
    for frame in stored.PerFrameFunctionalGroupsSequence:
        frame.update(common)
    stored.SharedFunctionalGroupsSequence = []
    stored.save_as(path)
    found, _ = judged_as(judged, path)
    objects = result_objects(found.item, found.answer, found.record, found.maps)
    (made,) = (one for one in objects if one.SOPClassUID == ParametricMapStorage)
    np.testing.assert_allclose(map_place(made), truth, atol=1.0)


def marker_in(picture: Any, shape: tuple[int, ...]) -> tuple[float, float]:
    """Row and column, in pixels of the slice, of the brightest spot in the first panel of a capture."""
    pixels = picture.pixel_array.astype(float)
    band = (pixels[:, 0] == (176, 0, 32)).all(axis=1)
    factor = 512 / max(shape)
    height, width = round(shape[0] * factor), round(shape[1] * factor)
    body = pixels[int(band.sum()) : int(band.sum()) + height]
    left = (body.shape[1] - (2 * width + 16)) // 2
    panel = body[:, left : left + width].min(axis=2)
    spot = np.argwhere(panel > 0.9 * panel.max())
    return tuple(spot.mean(axis=0) / factor - 0.5)  # type: ignore[return-value]


def sides(orientation: Any) -> tuple[str, str]:
    letters = (("L", "R"), ("P", "A"), ("H", "F"))
    found = []
    for cosines in (np.array(orientation[:3], float), np.array(orientation[3:], float)):
        axis = int(np.abs(cosines).argmax())
        found.append(letters[axis][0 if cosines[axis] > 0 else 1])
    return found[0], found[1]
