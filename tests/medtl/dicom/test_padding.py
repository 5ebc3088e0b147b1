"""Padding is background, however the header states it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian

from medtl.dicom.reader import read_dicom
from shared.errors import InputRefused

Make = Callable[..., Any]
SIDE = 40
VALUE, LIMIT = 0x00280120, 0x00280121
rows, columns = np.mgrid[:SIDE, :SIDE]
OUTSIDE = np.hypot(rows - 20, columns - 20) > 18
SIGNAL = 100 + 20 * rows + columns
LOWEST = SIGNAL[~OUTSIDE].min()
EXPECTED = np.where(OUTSIDE, LOWEST, SIGNAL)


def padded(make_mr: Make, kind: str, fill: int | np.ndarray, vr: str, value: int, **tags: Any) -> Dataset:
    """A slice whose outside is filled with `fill`, which the header states as `value` of the representation `vr`."""
    dataset: Dataset = make_mr(np.where(OUTSIDE, fill, SIGNAL).astype(kind), **tags)
    dataset.add(DataElement(VALUE, vr, value))
    return dataset


def pixels(to_bytes: Make, dataset: Dataset) -> np.ndarray:
    return read_dicom(to_bytes(dataset)).frames[0]


@pytest.mark.parametrize(
    ("kind", "fill", "vr", "value"),
    [
        ("<i2", -2000, "SS", -2000),
        ("<i2", -2000, "US", 63536),
        ("<u2", 63536, "US", 63536),
        ("<u2", 63536, "SS", -2000),
        ("<i2", -32768, "SS", -32768),
        ("<i2", -32768, "US", 32768),
        ("<u2", 65535, "US", 65535),
        ("<u2", 65535, "SS", -1),
        ("<i4", -2000, "SS", -2000),
        ("<u4", 4294965296, "SS", -2000),
    ],
)
def test_padding_has_the_lowest_value_of_the_slice(
    kind: str, fill: int, vr: str, value: int, make_mr: Make, to_bytes: Make
) -> None:
    np.testing.assert_array_equal(pixels(to_bytes, padded(make_mr, kind, fill, vr, value)), EXPECTED)


def test_padding_is_read_where_the_file_states_no_representation(make_mr: Make, to_bytes: Make) -> None:
    dataset = padded(make_mr, "<i2", -2000, "SS", -2000)
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    np.testing.assert_array_equal(pixels(to_bytes, dataset), EXPECTED)
    dataset = padded(make_mr, "<i2", -2000, "OW", b"\x30\xf8")  # type: ignore[arg-type]
    np.testing.assert_array_equal(pixels(to_bytes, dataset), EXPECTED)


@pytest.mark.parametrize(("value", "limit"), [(-2000, -1000), (-1000, -2000)])
def test_a_range_of_padding_is_given_in_either_order(value: int, limit: int, make_mr: Make, to_bytes: Make) -> None:
    fill = np.where(rows % 2, -2000, -1000 - columns)
    dataset = padded(make_mr, "<i2", fill, "SS", value)
    dataset.add(DataElement(LIMIT, "SS", limit))
    np.testing.assert_array_equal(pixels(to_bytes, dataset), EXPECTED)


def test_padding_is_stated_before_rescaling(make_mr: Make, to_bytes: Make) -> None:
    dataset = padded(make_mr, "<i2", -2000, "SS", -2000, RescaleSlope="2", RescaleIntercept="-50")
    np.testing.assert_array_equal(pixels(to_bytes, dataset), 2 * EXPECTED - 50)


@pytest.mark.parametrize("fill", [0, 63536])
def test_padding_of_a_negative_picture_is_dark(fill: int, make_mr: Make, to_bytes: Make) -> None:
    stored = np.where(OUTSIDE, fill, 4000 - SIGNAL).astype("<u2")
    dataset = make_mr(stored, PhotometricInterpretation="MONOCHROME1")
    dataset.add(DataElement(VALUE, "US", fill))
    found = pixels(to_bytes, dataset)
    np.testing.assert_array_equal(found - found.min(), EXPECTED - LOWEST)


def test_padding_may_stand_in_bits_that_values_do_not_use(make_mr: Make, to_bytes: Make) -> None:
    # 63536 in 12 bits is 2096, a value of tissue
    signal = SIGNAL + 1500
    dataset = make_mr(np.where(OUTSIDE, 63536, signal).astype("<u2"), BitsStored=12)
    dataset.add(DataElement(VALUE, "US", 63536))
    assert (signal == 2096).any()
    np.testing.assert_array_equal(pixels(to_bytes, dataset), np.where(OUTSIDE, LOWEST + 1500, signal))


def test_each_frame_has_its_own_background(make_mr: Make, to_bytes: Make) -> None:
    stored = np.stack([np.where(OUTSIDE, -2000, SIGNAL), np.where(OUTSIDE, -2000, SIGNAL + 500)]).astype("<i2")
    dataset = make_mr(stored[0], NumberOfFrames=2, PixelData=stored.tobytes())
    dataset.add(DataElement(VALUE, "SS", -2000))
    frames = read_dicom(to_bytes(dataset)).frames
    np.testing.assert_array_equal(frames, [EXPECTED, EXPECTED + 500])


def test_a_slice_of_padding_alone_is_blank(make_mr: Make, to_bytes: Make) -> None:
    fill = np.where(rows % 2, -2000, -1000)
    dataset = make_mr(fill.astype("<i2"))
    dataset.add(DataElement(VALUE, "SS", -2000))
    dataset.add(DataElement(LIMIT, "SS", -1000))
    assert not read_dicom(to_bytes(dataset), allow_blank=True).frames.any()
    with pytest.raises(InputRefused, match="blank"):
        read_dicom(to_bytes(dataset))


def test_padding_that_is_not_stated_is_left_to_later_steps(make_mr: Make, to_bytes: Make) -> None:
    stored = np.where(OUTSIDE, -2000, SIGNAL).astype("<i2")
    np.testing.assert_array_equal(pixels(to_bytes, make_mr(stored)), stored)


def test_a_damaged_padding_value_is_refused(make_mr: Make, to_bytes: Make) -> None:
    dataset = padded(make_mr, "<i2", -2000, "LO", "Doe")  # type: ignore[arg-type]
    with pytest.raises(InputRefused, match="damaged PixelPaddingValue") as caught:
        pixels(to_bytes, dataset)
    assert "Doe" not in str(caught.value)
