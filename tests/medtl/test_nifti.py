"""Volumes: one head gives the same slices however its voxels are stored."""

from __future__ import annotations

import gzip
import itertools
import shutil
import struct
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from benchmarks.stored_head import read_head, write_nifti
from medtl.cli import app
from medtl.inputs import read_inputs
from medtl.nifti import read_placement, read_volume
from shared.errors import DataError
from tests.shared.cli.calling import call

ORIENTATIONS = [
    "".join(letters) for axes in itertools.permutations(("RL", "AP", "SI")) for letters in itertools.product(*axes)
]
"""All 48 ways of storing the axes of a volume."""


def volume(shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> Any:
    """A volume with axes to the right, front and head, all of its voxels different."""
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = (-30.0, -40.0, -20.0)
    image = nibabel.Nifti1Image(np.arange(np.prod(shape), dtype=np.float32).reshape(shape), affine)
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    return image


def stored(image: Any, axes: str) -> Any:
    wanted = nibabel.orientations.axcodes2ornt(tuple(axes))
    return image.as_reoriented(nibabel.orientations.ornt_transform(nibabel.io_orientation(image.affine), wanted))


def shown(image: Any) -> np.ndarray:
    slices, placement = read_volume(image.to_bytes())
    return np.stack([placement.view.apply(one) for one in slices])


def plane(image: Any) -> str:
    return str(read_placement(image.to_bytes()).view.plane)


@pytest.mark.parametrize(
    ("shape", "spacing", "expected"),
    [
        ((10, 12, 5), (1, 1, 4), "axial"),
        ((10, 5, 12), (1, 4, 1), "coronal"),
        ((5, 12, 10), (4, 1, 1), "sagittal"),
        ((12, 12, 9), (1, 1, 1), "axial"),
        ((9, 12, 12), (1, 1, 1), "sagittal"),
        ((10, 10, 10), (1, 1, 1), "axial"),
        ((10, 10, 10), (1, 1.1, 1), "axial"),
        ((12, 9, 9), (1, 1.1, 1), "axial"),
        ((12, 1, 12), (1, 1, 1.5), "coronal"),
    ],
)
def test_every_way_of_storing_a_volume_gives_the_same_slices(
    shape: tuple[int, int, int], spacing: tuple[float, float, float], expected: str
) -> None:
    image = volume(shape, spacing)
    upright = shown(image)
    for axes in ORIENTATIONS:
        assert plane(stored(image, axes)) == expected, axes
        np.testing.assert_array_equal(shown(stored(image, axes)), upright, err_msg=axes)


@pytest.mark.parametrize("factor", [0.9375, 1.0, 0.7])
def test_slices_of_12_tenths_of_the_pixels_are_cut_as_such_however_the_header_rounds(factor: float) -> None:
    image = volume((12, 9, 9), (factor, 1.2 * factor, factor))
    image.set_sform(None, code=0)  # the quaternion of the other is rounded once more
    assert plane(image) == "coronal"


def coloured(**channels: np.ndarray) -> Any:
    colours = np.zeros((10, 12, 5), [(name, "u1") for name in channels])
    for name, values in channels.items():
        colours[name] = values
    image = nibabel.Nifti1Image(colours, np.diag([1.0, 1.0, 4.0, 1.0]))
    image.set_sform(image.affine, code=1)
    return image


@pytest.mark.parametrize("opacity", [{}, {"A": np.full((10, 12, 5), 255)}])
def test_grey_that_is_stored_as_colour_is_read_as_grey(opacity: dict[str, np.ndarray]) -> None:
    values = np.arange(600).reshape(10, 12, 5) % 256
    plain = nibabel.Nifti1Image(values.astype(np.uint8), np.diag([1.0, 1.0, 4.0, 1.0]))
    plain.set_sform(plain.affine, code=1)
    np.testing.assert_array_equal(shown(coloured(R=values, G=values, B=values, **opacity)), shown(plain))


def test_volume_in_false_colours_is_refused() -> None:
    values = np.arange(600).reshape(10, 12, 5) % 256
    with pytest.raises(DataError, match="derived map in colour"):
        read_volume(coloured(R=values, G=values, B=255 - values).to_bytes())


def test_axial_slices_run_from_the_feet_up_with_nose_up_and_the_right_side_on_the_left() -> None:
    image = volume((10, 12, 5), (1, 1, 4))
    np.testing.assert_array_equal(shown(image)[0], image.get_fdata()[::-1, ::-1, 0].T)


def test_damaged_header_is_not_quoted_on_standard_error(caplog: pytest.LogCaptureFixture) -> None:
    data = bytearray(volume((10, 12, 5), (1, 1, 4)).to_bytes())
    data[344:348] = b"ANNA"  # the magic string
    with pytest.raises(DataError) as caught:
        read_placement(bytes(data))
    assert "ANNA" not in caplog.text + str(caught.value)


def test_slice_dimension_of_the_header_does_not_count_for_converters_leave_it_behind() -> None:
    image = volume((9, 12, 12), (1, 1, 1))
    image.header.set_dim_info(slice=2)
    assert plane(image) == "sagittal"


@pytest.mark.parametrize("axes", ["RAS", "PIR", "LPS"])
def test_plane_that_nothing_tells_is_taken_for_that_of_the_fewest_slices_and_said(axes: str) -> None:
    placement = read_placement(stored(volume((10, 12, 14), (1, 1, 1)), axes).to_bytes())
    assert str(placement.view.plane) == "sagittal"
    assert placement.notes == ("the volume does not say in which plane it was acquired: taken for sagittal",)


def test_orientation_that_is_not_stated_is_refused() -> None:
    image = volume((10, 12, 5), (1, 1, 4))
    image.set_sform(None, code=0)
    image.set_qform(None, code=0)
    with pytest.raises(DataError, match=r"does not say how it lies in space.*codes are 0"):
        read_placement(image.to_bytes())


@pytest.mark.parametrize("kept", ["sform", "qform"])
def test_one_of_the_two_transformations_is_enough(kept: str) -> None:
    image = volume((10, 12, 5), (1, 1, 4))
    getattr(image, f"set_{'qform' if kept == 'sform' else 'sform'}")(None, code=0)
    assert plane(image) == "axial"


@pytest.mark.parametrize("other", [[-1.0, 1, 1, 1], [2.0, 1, 1, 1], [1.0, 1, 0.25, 1]])
def test_transformations_that_contradict_each_other_are_refused(other: list[float]) -> None:
    image = volume((10, 12, 5), (1, 1, 4))
    image.set_qform(image.affine @ np.diag(other), code=1, update_affine=False)
    with pytest.raises(DataError, match=r"contradict each other \(sform and qform\)"):
        read_placement(image.to_bytes())


def test_transformation_to_a_template_may_tilt_a_little() -> None:
    image = volume((10, 12, 5), (1, 1, 4))
    angle = np.radians(20)
    tilt = np.eye(4)
    tilt[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    image.set_sform(tilt @ image.affine, code=4)
    assert plane(image) == "axial, tilted by 20 degrees"


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("order", ["<", ">"])
def test_volume_is_read_in_either_byte_order(kind: Any, order: str) -> None:
    image = volume((10, 12, 5), (1, 1, 4))
    made = kind(image.get_fdata(), image.affine, header=kind.header_class(endianness=order))
    made.set_sform(image.affine, code=1)
    np.testing.assert_array_equal(shown(made), shown(image))


def test_trailing_dimensions_of_one_are_no_series() -> None:
    image = volume((10, 12, 5), (1, 1, 4))
    made = nibabel.Nifti1Image(image.get_fdata()[..., None, None], image.affine)
    np.testing.assert_array_equal(shown(made), shown(image))


def test_half_a_download_is_said_to_break_off() -> None:
    data = gzip.compress(volume((10, 12, 5), (1, 1, 4)).to_bytes())
    for end in (40, len(data) // 2, len(data) - 9):
        with pytest.raises(DataError, match="breaks off, as a download that did not end; copy or download it again"):
            read_volume(data[:end])


def test_complex_volume_is_refused() -> None:
    image = volume((10, 12, 5), (1, 1, 4))
    made = nibabel.Nifti1Image(image.get_fdata().astype(np.complex64), image.affine)
    with pytest.raises(DataError, match="complex values; give the magnitude"):
        read_volume(made.to_bytes())


@pytest.mark.parametrize(("unit", "factor"), [("meter", 0.001), ("micron", 1000.0), ("mm", 1.0), ("unknown", 1.0)])
def test_spacing_is_in_millimetres_whatever_the_unit(unit: str, factor: float) -> None:
    image = volume((10, 12, 5), (0.9 * factor, 0.9 * factor, 4 * factor))
    image.header.set_xyzt_units(unit)
    assert read_placement(image.to_bytes()).view.pixel_mm == pytest.approx(0.9, rel=1e-5)


def test_coarse_reformat_is_refused() -> None:
    image = volume((60, 40, 50), (1, 3, 3.2))
    with pytest.raises(DataError, match=r"pixels of 3.2 x 1 mm"):
        read_placement(image.to_bytes())


def extracted(data_dir: Path, name: str, folder: Path) -> list[Path]:
    """The DICOM files of one real series."""
    with zipfile.ZipFile(data_dir / "dicom.zip") as archive:
        wanted = [member for member in archive.namelist() if f"/{name}/" in member and member.endswith(".dcm")]
        return [Path(archive.extract(member, folder)) for member in wanted]


REAL = ["siemens_t1_sagittal", "philips_t1_mprage", "axial_t1_implicit_vr"]


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("axes", ["as stored", "RAS", "PIR"])
def test_real_series_gives_the_same_slices_as_dicom_and_as_nifti(
    data_dir: Path, tmp_path: Path, name: str, axes: str
) -> None:
    files = extracted(data_dir, name, tmp_path)
    path = write_nifti(read_head(files), tmp_path / "volume.nii")
    if axes != "as stored":
        image, path = nibabel.load(path), tmp_path / "reordered.nii"
        nibabel.save(stored(image, axes), path)
    (series,), (found,) = (list(read_inputs([one])) for one in (files[0].parent, path))
    assert found.acquisition["plane"] == series.acquisition["plane"]
    assert len(found.slices) == len(series.slices)
    for one, other in zip(found.slices, series.slices, strict=True):
        np.testing.assert_allclose(one / one.max(), other / other.max(), rtol=0, atol=1e-3)  # Philips has two scales


def with_space(affine: Any, *, by_qform: bool, pixdim: float = 1.0) -> bytes:
    """A volume whose header says in one way alone how it lies in space, whatever that is."""
    data = bytearray(volume((8, 9, 4), (1, 1, 1)).to_bytes())
    struct.pack_into("<2h", data, 252, by_qform, not by_qform)
    struct.pack_into("<12f", data, 280, *np.asarray(affine, dtype=float)[:3].ravel())
    struct.pack_into("<4f", data, 76, 1.0, pixdim, pixdim, pixdim)
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        with_space(np.zeros((4, 4)), by_qform=False),
        with_space(np.diag([1, 1, 0, 1]), by_qform=False),
        with_space(np.diag([1, 1, np.nan, 1]), by_qform=False),
        with_space(np.eye(4), by_qform=True, pixdim=np.nan),
        with_space(np.eye(4), by_qform=True, pixdim=np.inf),
    ],
)
def test_a_volume_without_extent_is_refused_in_one_line_and_an_audit_names_it(data: bytes, tmp_path: Path) -> None:
    for read in (read_placement, read_volume):
        with pytest.raises(DataError, match=r"the volume (does not say how it lies in space|is damaged)"):
            read(data)
    for kind in ("glioma", "no_tumor"):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "sound.nii").write_bytes(volume((8, 9, 4), (1, 1, 5)).to_bytes())
    (tmp_path / "glioma" / "flat.nii").write_bytes(data)
    result = call(app, "audit", tmp_path)
    assert result.exit_code == 3  # training would refuse
    assert "file 1 (by name) in glioma: the volume" in result.output


@pytest.mark.parametrize("name", [*REAL, "siemens_t1_enhanced"])
def test_real_series_gives_the_same_slices_by_way_of_dcm2niix(data_dir: Path, tmp_path: Path, name: str) -> None:
    converter = shutil.which("dcm2niix")
    if converter is None:
        pytest.skip("dcm2niix is not installed")
    folder = extracted(data_dir, name, tmp_path)[0].parent
    subprocess.run([converter, "-z", "n", "-f", "volume", "-o", tmp_path, folder], check=True, capture_output=True)
    (series,), (found,) = (list(read_inputs([one])) for one in (folder, tmp_path / "volume.nii"))
    assert found.acquisition["plane"] == series.acquisition["plane"]
    assert len(found.slices) == len(series.slices)
    for one, other in zip(found.slices, series.slices, strict=True):
        np.testing.assert_allclose(one / one.max(), other / other.max(), rtol=0, atol=1e-3)  # Philips has two scales
