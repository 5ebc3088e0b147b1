"""The pixels of a sample and its mask, as training and prediction see them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image

from benchmarks.stored_head import TURNS, StoredHead, Turn, in_plane, turned, write_enhanced, write_nifti, write_slices
from medtl.datasets import load
from medtl.inputs import read_inputs
from medtl.sample_pixels import pixel_mm, read, read_mask
from medtl.transforms import preprocess
from shared.errors import DataError
from shared.task import Preprocessing
from tests.medtl.test_datasets import dicom, packed, picture, table

SPEC = Preprocessing(32)


def test_blank_slice_of_a_series_is_read_as_it_is(tmp_path: Path) -> None:
    for number in range(3):
        dicom(tmp_path / "yes" / f"{number}.dcm", blank=number == 2)
    samples = load(tmp_path, {}).samples
    pixels = [read(sample) for sample in samples]
    assert [one.max() for one in pixels] == [399, 399, 0]
    assert not preprocess(pixels[2], SPEC).any()


def test_mask_is_cut_like_its_image(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "1.png")
    picture(tmp_path / "masks" / "1.png", 255)
    table(tmp_path / "labels.csv", "index,label,image,mask", "1,glioma,images/1.png,masks/1.png")
    sample = load(tmp_path, {}).samples[0]
    mask = read_mask(sample, SPEC)
    assert mask is not None
    bright = preprocess(read(sample), SPEC)[0] > 0.5
    assert mask.shape == (32, 32)
    assert (mask == bright).mean() > 0.98


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("drawn", ["as picture", "as volume"])
def test_training_sees_a_turned_slice_and_its_mask_as_prediction_does(tmp_path: Path, turn: Turn, drawn: str) -> None:
    dicom(tmp_path / "plain.dcm")
    index, row, column = np.ogrid[:2, :36, :36]
    voxels = (1000 * index + 20 * row + column).astype(np.uint16)
    (along, down, up), corner = np.eye(3) * (1, 1, 4), np.zeros(3)
    head = in_plane(StoredHead(voxels, along, down, up, corner, pydicom.dcmread(tmp_path / "plain.dcm")), "coronal")
    finding = np.zeros_like(voxels)
    finding[:, 4:9, 11:19] = 1
    slices = write_slices(turned(head, turn), tmp_path / "turned")
    mask = turned(replace(head, voxels=finding), turn)
    if drawn == "as picture":
        Image.fromarray((mask.voxels[1] * 255).astype(np.uint8)).save(tmp_path / "mask.png")
        rows = ["turned/IM0001.dcm,glioma,mask.png"]
    else:
        write_nifti(mask, tmp_path / "mask.nii")
        write_nifti(turned(head, turn), tmp_path / "volume.nii")
        rows = ["volume.nii,glioma,mask.nii"]
    sample = load(table(tmp_path / "some.csv", "path,label,mask", *rows), {}).samples[-1]
    (item,) = read_inputs([slices])
    np.testing.assert_array_equal(read(sample), item.slices[1])
    np.testing.assert_array_equal(read(sample), head.voxels[1])
    found = read_mask(sample, replace(SPEC, size=36, options={"crop": False}))
    np.testing.assert_array_equal(found, finding[1])
    assert sample.acquisition["plane"] == "coronal"


def test_a_pixel_of_the_preprocessed_image_is_as_large_as_what_it_shows(tmp_path: Path) -> None:

    voxels = np.zeros((40, 40, 2), dtype=np.int16)
    voxels[10:30, 10:30] = 200  # a head of 20 x 20 voxels of 2 mm
    nibabel.Nifti1Image(voxels, np.diag([2, 2, 3, 1])).to_filename(tmp_path / "head.nii")
    (sample, _) = load(
        table(tmp_path / "some.csv", "path,label,slice", "head.nii,glioma,0", "head.nii,glioma,1"), {}
    ).samples
    assert pixel_mm(sample, replace(SPEC, size=20, options={"crop": False})) == pytest.approx(4.0)
    tight = pixel_mm(sample, replace(SPEC, size=20, options={"crop": True, "margin": 0.0}))
    assert tight == pytest.approx(2.0, abs=0.21)


def test_a_picture_has_no_size_in_mm(tmp_path: Path) -> None:
    picture(tmp_path / "1.png")
    (sample,) = load(table(tmp_path / "some.csv", "path,label", "1.png,glioma"), {}).samples
    assert pixel_mm(sample, SPEC) is None


@pytest.mark.parametrize("direction", [1, -1])
def test_frames_and_mask_are_those_of_one_place_in_whatever_order_they_are_stored(
    tmp_path: Path, direction: int
) -> None:
    dicom(tmp_path / "plain.dcm")
    index, row, column = np.ogrid[:5, :36, :36]
    voxels = (1000 * index + 20 * row + column).astype(np.uint16)
    (along, down, up), corner = np.eye(3) * (1, 1, 4), np.zeros(3)
    upright = StoredHead(voxels, along, down, up, corner, pydicom.dcmread(tmp_path / "plain.dcm"))
    stored = replace(upright, voxels=voxels[::direction], up=direction * up, corner=up * 4 * (direction < 0))
    finding = np.zeros_like(voxels)
    finding[1, 4:9, 11:19] = 1
    write_enhanced(stored, tmp_path / "frames.dcm")
    write_nifti(replace(upright, voxels=finding), tmp_path / "mask.nii")
    path = table(tmp_path / "some.csv", "path,label,mask,slice", "frames.dcm,glioma,mask.nii,1")
    (sample,) = load(path, {}).samples
    np.testing.assert_array_equal(read(sample), voxels[1])
    np.testing.assert_array_equal(read_mask(sample, replace(SPEC, size=36, options={"crop": False})), finding[1])


@pytest.mark.parametrize("zipped", [False, True])
def test_damaged_image_is_refused_when_read_and_can_be_found(tmp_path: Path, zipped: bool) -> None:
    root = tmp_path / "set"
    picture(root / "yes" / "1.png")
    dicom(root / "no" / "IM1")
    for name in ("yes/1.png", "no/IM1"):
        data = (root / name).read_bytes()
        (root / name).write_bytes(data[: len(data) - 60])
    place = packed(root) if zipped else root
    for sample, name in zip(load(place, {}).samples, ("no/IM1", "yes/1.png"), strict=True):
        with pytest.raises(DataError, match=r"damaged|truncated|bytes") as caught:
            read(sample)
        assert str(caught.value).endswith(f", in '{place}{'::' if zipped else '/'}{name}'")


def test_mask_that_does_not_fit_can_be_found(tmp_path: Path) -> None:
    picture(tmp_path / "1.png")
    Image.new("L", (7, 7), 255).save(tmp_path / "m.png")
    table(tmp_path / "labels.csv", "path,label,mask", "1.png,yes,m.png")
    with pytest.raises(DataError, match=r"7 x 7.*, in '.*m\.png'$"):
        read_mask(load(tmp_path, {}).samples[0], SPEC)
