"""Mosaics are made of slices that lie at known places; real ones (echo-planar, so refused) come from MEDTL_DATA."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from benchmarks.stored_head import TURNS, StoredHead, Turn, turned
from medtl.dicom.header import DicomHeader
from medtl.dicom.pixels import decode
from medtl.dicom.reader import read_dicom, read_header
from medtl.inputs import read_inputs
from shared.errors import InputRefused

SIDE = 32
SLICES = 7
ACROSS = 3
SPACING_MM = 2.0
TILES = (np.arange(SLICES)[:, None, None] * 1000 + np.arange(SIDE * SIDE).reshape(SIDE, SIDE)).astype("<u2")
FIRST_MM = (-30.0, -40.0, -50.0)
Make = Callable[..., Any]


@pytest.fixture
def make(make_mr: Make, make_csa: Make) -> Callable[..., Dataset]:
    """A mosaic as the scanner stores it: its corner is that of a slice as large as the mosaic."""

    def mosaic(normal: tuple[str, ...] = ("0", "0", "1"), count: int = SLICES, **tags: Any) -> Dataset:
        picture = np.zeros((ACROSS * SIDE, ACROSS * SIDE), "<u2")
        for index, tile in enumerate(TILES):
            row, column = divmod(index, ACROSS)
            picture[row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE] = tile
        shift = (ACROSS - 1) * SIDE / 2 * SPACING_MM
        dataset: Dataset = make_mr(picture, ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"])
        dataset.ImagePositionPatient = [FIRST_MM[0] - shift, FIRST_MM[1] - shift, FIRST_MM[2]]
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        dataset.PixelSpacing, dataset.SpacingBetweenSlices = [SPACING_MM, SPACING_MM], 5.5
        header = make_csa({"NumberOfImagesInMosaic": [str(count)] * bool(count), "SliceNormalVector": list(normal)})
        dataset.private_block(0x0029, "SIEMENS CSA HEADER", create=True).add_new(0x10, "OB", header)
        for keyword, value in tags.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)
        return dataset

    return mosaic


def refusal(data: bytes) -> str:
    with pytest.raises(InputRefused) as caught:
        read_dicom(data)
    return str(caught.value)


def positions_mm(header: DicomHeader) -> list[Any]:
    return [plane.position_mm for plane in header.geometry.planes]


def test_tiles_become_slices_in_their_order_and_leftover_tiles_none(make: Make, to_bytes: Make) -> None:
    image = read_dicom(to_bytes(make()))
    np.testing.assert_array_equal(image.frames, TILES)
    assert image.header.layout.slices == SLICES


def test_slices_lie_along_the_stated_normal(make: Make, to_bytes: Make) -> None:
    up, down = (positions_mm(read_header(to_bytes(make(normal=("0", "0", sign))))) for sign in ("1", "-1"))
    np.testing.assert_allclose(up, [(*FIRST_MM[:2], FIRST_MM[2] + 5.5 * index) for index in range(SLICES)])
    np.testing.assert_allclose(down[1], (*FIRST_MM[:2], FIRST_MM[2] - 5.5))


def test_series_runs_from_the_feet_up_whichever_way_the_tiles_run(make: Make, to_bytes: Make, tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(to_bytes(make(normal=("0", "0", "-1"))))
    (item,) = read_inputs([path])
    assert item.notes == ()
    np.testing.assert_array_equal(item.slices, TILES[::-1])
    assert [(one.source, one.index) for one in item.origins] == [(str(path), at) for at in reversed(range(SLICES))]
    assert [one.numbers["tile"] for one in item.origins] == list(reversed(range(1, SLICES + 1)))


@pytest.mark.parametrize("turn", TURNS)
def test_tiles_that_are_turned_in_their_plane_give_the_same_slices(
    turn: Turn, make: Make, to_bytes: Make, tmp_path: Path
) -> None:
    upright = StoredHead(TILES, *(np.eye(3) * (SPACING_MM, SPACING_MM, 5.5)), np.array(FIRST_MM), Dataset())
    head = turned(upright, turn)
    picture = np.zeros((ACROSS, SIDE, ACROSS, SIDE), "<u2")
    for index, tile in enumerate(head.voxels):
        picture[index // ACROSS, :, index % ACROSS] = tile
    shift = (ACROSS - 1) * SIDE / 2
    corner = head.corner - head.along * shift - head.down * shift
    where = {"ImageOrientationPatient": head.orientation, "ImagePositionPatient": corner.tolist()}
    path = tmp_path / "a.dcm"
    path.write_bytes(to_bytes(make(PixelData=picture.tobytes(), **where)))
    (item,) = read_inputs([path])
    np.testing.assert_array_equal(item.slices, TILES)


def test_number_of_slices_may_stand_in_the_private_element_alone(make: Make, to_bytes: Make) -> None:
    dataset = make(count=0)
    dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0A, "US", SLICES)
    np.testing.assert_array_equal(read_dicom(to_bytes(dataset)).frames, TILES)
    dataset.private_block(0x0019, "SIEMENS MR HEADER").add_new(0x0A, "UN", SLICES.to_bytes(2, "little"))
    np.testing.assert_array_equal(read_dicom(to_bytes(dataset)).frames, TILES)


def test_two_numbers_of_slices_are_refused(make: Make, to_bytes: Make) -> None:
    dataset = make()
    dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0A, "US", SLICES + 1)
    assert "two different numbers of slices" in refusal(to_bytes(dataset))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"count": 0}, "does not state NumberOfImagesInMosaic"),
        ({"count": 17}, "are not 5 x 5 tiles"),
        ({"count": 2**31}, "tiles"),
        ({"normal": ()}, "does not state SliceNormalVector"),
        ({"normal": ("0", "0", "nan")}, "does not state SliceNormalVector"),
        ({"normal": ("1", "0", "0")}, "contradicts its ImageOrientationPatient"),
        ({"SpacingBetweenSlices": None}, "does not state SpacingBetweenSlices"),
        ({"SpacingBetweenSlices": 0}, "0 mm apart"),
        ({"ImagePositionPatient": None}, "does not state ImagePositionPatient"),
        ({"ImageOrientationPatient": None}, "does not state ImageOrientationPatient"),
        ({"PixelSpacing": None}, "does not state PixelSpacing"),
    ],
)
def test_mosaic_that_does_not_say_how_it_lies_is_refused(
    make: Make, to_bytes: Make, changes: dict[str, Any], reason: str
) -> None:
    data = to_bytes(make(**changes))
    assert reason in refusal(data)
    # Its header can be read all the same: a series is not broken by it, but refused.
    assert read_header(data).layout.mosaic is None


def test_damaged_csa_header_is_said(make: Make, to_bytes: Make) -> None:
    dataset = make()
    dataset.private_block(0x0029, "SIEMENS CSA HEADER").add_new(0x10, "OB", b"SV10\4\3\2\1\xff\xff\xff\xff")
    assert "damaged CSA header" in refusal(to_bytes(dataset))


@pytest.mark.data
def test_real_mosaics_are_cut_where_the_heads_are_and_refused_as_echo_planar(data_dir: Path) -> None:
    with zipfile.ZipFile(data_dir / "dicom.zip") as archive:
        names = [name for name in archive.namelist() if "/siemens_mosaic/" in name and not name.endswith("/")]
        for name in names:
            data = archive.read(name)
            assert "echo-planar" in refusal(data)
            header = read_header(data)
            slices = decode(pydicom.dcmread(io.BytesIO(data)), header.layout)
            assert slices.shape == (header.layout.slices, header.layout.rows // 6, header.layout.columns // 6)
            # The scanner puts the middle of the stack near that of the magnet, and each tile's middle is the head's.
            middle = np.mean([positions_mm(header)[0], positions_mm(header)[-1]], axis=0)
            side = np.array(header.geometry.planes[0].orientation).reshape(2, 3).sum(axis=0) * 1.0
            extent = {64: 3.25 * 64, 86: 2.6976745 * 86}[slices.shape[1]]
            assert np.abs(middle + side * extent / 2).max() < 45
            likeness = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairwise(slices)]
            assert np.median(likeness) > 0.8
    assert len(names) == 4
