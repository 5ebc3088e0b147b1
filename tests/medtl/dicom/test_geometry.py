from __future__ import annotations

import numpy as np
import pytest
from pydicom.dataset import Dataset

from medtl.dicom.geometry import ImagePlane, read_geometry, slice_normal
from medtl.dicom.mosaic import Mosaic
from medtl.dicom.values import read_each
from shared.errors import InputRefused

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def placed(position: list[float] | None = None) -> Dataset:
    dataset = Dataset()
    dataset.ImageOrientationPatient = list(AXIAL)
    if position is not None:
        dataset.ImagePositionPatient = position
    return dataset


@pytest.mark.parametrize(
    ("orientation", "normal"),
    [(AXIAL, (0, 0, 1)), ((0.0, 1.0, 0.0, 0.0, 0.0, -1.0), (-1, 0, 0)), ((1.0, 0.0, 0.0, 0.0, 0.0, -1.0), (0, 1, 0))],
)
def test_normal_points_to_head_right_and_back(orientation: tuple[float, ...], normal: tuple[int, ...]) -> None:
    np.testing.assert_array_equal(slice_normal(orientation), normal)


def test_normal_has_length_one_where_cosines_are_rounded() -> None:
    assert np.linalg.norm(slice_normal((0.99, 0.0, 0.0, 0.0, 1.0, 0.0))) == pytest.approx(1.0)


@pytest.mark.parametrize("orientation", [(1.0, 0.0, 0.0, 1.0, 0.0, 0.0), (0.0,) * 6, (2.0, 0.0, 0.0, 0.0, 1.0, 0.0)])
def test_rows_and_columns_that_are_not_at_right_angles_are_refused(orientation: tuple[float, ...]) -> None:
    with pytest.raises(InputRefused, match="not at right angles"):
        slice_normal(orientation)


def test_plane_that_is_not_stated_is_not_made_up() -> None:
    assert read_geometry(Dataset(), 2, None).planes == (ImagePlane(), ImagePlane())
    assert read_geometry(placed(), 1, None).planes == (ImagePlane(None, AXIAL),)


def test_frames_of_an_object_without_functional_groups_lie_in_parallel_and_only_the_first_has_a_place() -> None:
    planes = read_geometry(placed([1, 2, 3]), 2, None).planes
    assert planes == (ImagePlane((1.0, 2.0, 3.0), AXIAL), ImagePlane(None, AXIAL))


def test_tiles_of_a_mosaic_have_places_of_their_own_in_one_orientation() -> None:
    places = ((0.0, 0.0, 0.0), (0.0, 0.0, 4.0))
    planes = read_geometry(placed([-90, -90, 0]), 1, Mosaic(2, 2, places)).planes
    assert planes == tuple(ImagePlane(place, AXIAL) for place in places)


def test_position_of_two_numbers_is_refused() -> None:
    dataset = placed([1, 2])
    with pytest.raises(InputRefused, match="damaged ImagePositionPatient"):
        read_geometry(dataset, 1, None)


def test_pixel_spacing_is_read_and_one_of_zero_is_not_stated() -> None:
    dataset = placed([0, 0, 0])
    dataset.PixelSpacing = [0.5, 0.75]
    assert read_geometry(dataset, 1, None).planes[0].spacing_mm == (0.5, 0.75)
    dataset.PixelSpacing = [0, 0]
    assert read_geometry(dataset, 1, None).planes[0].spacing_mm is None
    dataset.PixelSpacing = [1]
    with pytest.raises(InputRefused, match="damaged PixelSpacing"):
        read_geometry(dataset, 1, None)


def test_group_that_all_frames_share_is_read_once() -> None:
    shared, own, read = Dataset(), Dataset(), []
    values = read_each([shared] * 65_000 + [own], lambda group: read.append(group) or len(read))
    assert (len(read), values[0], values[64_999], values[-1]) == (2, 1, 1, 2)
