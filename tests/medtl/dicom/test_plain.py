"""Files taken apart without pydicom say and show what they do with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from medtl.dicom import reader
from medtl.dicom.plain import plain_elements
from medtl.dicom.reader import DicomObject
from shared.errors import InputRefused
from tests.medtl.dicom.test_reader import STORED, mr, to_bytes

SIGNED = STORED.astype(np.int16) - 900


def in_latin(**tags: Any) -> Dataset:
    return mr(SpecificCharacterSet="ISO_IR 100", SeriesDescription="T1 Schädel", **tags)


PLAIN = {
    "explicit": mr(),
    "implicit": mr(syntax=ImplicitVRLittleEndian),
    "bright is low": mr(PhotometricInterpretation="MONOCHROME1"),
    "signed": mr(SIGNED, PixelRepresentation=1, RescaleSlope="2.5", RescaleIntercept="-3"),
    "padding": mr(SIGNED, PixelRepresentation=1, PixelPaddingValue=-900),
    "implicit padding": mr(syntax=ImplicitVRLittleEndian, PixelPaddingValue=3),
    "unused bits": mr(STORED | 0xF000, BitsStored=12, HighBit=11),
    "signed with unused bits": mr(STORED & 0x0FFF, BitsStored=11, HighBit=10, PixelRepresentation=1),
    "frames": mr(np.stack([STORED, STORED[::-1], STORED]), NumberOfFrames=3),
    "a character set": in_latin(),
    "empty elements": mr(RescaleSlope=None, EchoTime=None, SeriesDescription="", ContrastBolusAgent=None),
}


@pytest.mark.parametrize("kind", PLAIN)
def test_plain_file_reads_as_with_pydicom(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = to_bytes(PLAIN[kind])
    assert plain_elements(data) is not None
    found = DicomObject(data).decode()
    monkeypatch.setattr(reader, "plain_elements", lambda _: None)
    expected = DicomObject(data).decode()
    assert found.header == expected.header
    assert np.array_equal(found.frames, expected.frames)


def with_sequence(*, undefined_length: bool) -> Dataset:
    dataset = mr(BodyPartExamined="")
    region = Dataset()
    region.CodeMeaning = "Brain"
    dataset.AnatomicRegionSequence = [region]
    dataset["AnatomicRegionSequence"].is_undefined_length = undefined_length
    return dataset


@pytest.mark.parametrize("undefined_length", [False, True])
def test_what_only_pydicom_interprets_is_left_to_it(undefined_length: bool) -> None:
    found = DicomObject(to_bytes(with_sequence(undefined_length=undefined_length))).decode()
    assert found.header.examination.body_part == "Brain"
    assert np.array_equal(found.frames[0], STORED)


def swapped(data: bytes, old: bytes, new: bytes) -> bytes:
    assert data.count(old) == 1
    return data.replace(old, new)


PLAIN_BYTES = to_bytes(mr())
ODD = {
    "big endian": to_bytes(mr(syntax=ExplicitVRBigEndian)),
    "without mark": PLAIN_BYTES[132:],
    "cut in the header": PLAIN_BYTES[:420],
    "cut in the meta header": PLAIN_BYTES[:150],
    "a sequence of no stated length": to_bytes(with_sequence(undefined_length=True)),
    "an unknown value representation": swapped(PLAIN_BYTES, b"\x08\0\x70\0LO", b"\x08\0\x70\0ZZ"),
    "implicit, and states explicit": swapped(
        to_bytes(mr(syntax=ImplicitVRLittleEndian)),
        ImplicitVRLittleEndian.encode() + b"\0",
        (ExplicitVRLittleEndian + "  ")[: len(ImplicitVRLittleEndian) + 1].encode(),
    ),
    "an unknown character set": to_bytes(mr(SpecificCharacterSet="ISO_IR 100\\ISO 2022 IR 87")),
    "no DICOM": b"no DICOM at all" * 30,
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_file_is_not_taken_apart(kind: str) -> None:
    assert plain_elements(ODD[kind]) is None


def test_pixels_that_something_follows_are_left_to_pydicom() -> None:
    dataset = mr()
    dataset.add_new((0xFFFC, 0xFFFC), "OB", bytes(10))
    elements = plain_elements(to_bytes(dataset))
    assert elements is not None
    assert elements.pixels is None
    assert np.array_equal(DicomObject(to_bytes(dataset)).decode().frames[0], STORED)


def test_cut_pixels_are_refused_with_the_bytes_that_are_there() -> None:
    with pytest.raises(InputRefused, match=f"truncated: {STORED.nbytes - 10} of {STORED.nbytes} bytes"):
        DicomObject(to_bytes(mr())[:-10]).decode()
