"""A header that is read after that of another slice is the one that would be read alone."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ImplicitVRLittleEndian

from medtl.dicom.header import parse_header
from medtl.dicom.header_reader import HeaderReader
from medtl.dicom.reader import DicomObject, read_attributes
from shared.errors import InputRefused
from tests.medtl.dicom.test_reader import mr, to_bytes


def slice_bytes(number: int, **tags: Any) -> bytes:
    stated = {"InstanceNumber": number, "ImagePositionPatient": [0, 0, number], "Manufacturer": "ATLAS"}
    return to_bytes(mr(**(stated | tags)))


def region(meaning: str) -> Sequence:
    code = Dataset()
    code.CodeMeaning = meaning
    return Sequence([code])


OTHERS = (
    {},
    {"Manufacturer": "BOREALIS"},
    {"SeriesDescription": "t2 flair"},
    {"EchoTime": 90},
    {"InstanceNumber": None},
    {"ImagePositionPatient": None},
    {"PixelSpacing": [2, 2]},
    {"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]},
    {"SpecificCharacterSet": "ISO_IR 144", "StudyDescription": "Голова"},
    {"NumberOfFrames": 3},
    {"BodyPartExamined": "", "AnatomicRegionSequence": region("Head")},
    {"BodyPartExamined": "", "AnatomicRegionSequence": region("Knee")},
    {"syntax": ImplicitVRLittleEndian},
)


@pytest.mark.parametrize("tags", OTHERS)
def test_headers_are_those_that_are_read_alone(tags: dict[str, Any]) -> None:
    headers = HeaderReader()
    for data in (slice_bytes(1), slice_bytes(2, **tags), slice_bytes(3, **tags), slice_bytes(4)):
        assert headers.read(read_attributes(data)) == parse_header(read_attributes(data))


def test_what_the_slice_before_stated_alike_is_not_interpreted() -> None:
    headers, second = HeaderReader(), read_attributes(slice_bytes(2))
    headers.read(read_attributes(slice_bytes(1)))
    headers.read(second)
    assert isinstance(second.get_item("Manufacturer"), RawDataElement)


def test_damaged_number_is_refused_after_a_sound_one() -> None:
    headers = HeaderReader()
    DicomObject(slice_bytes(11), read=headers.read)
    damaged = slice_bytes(12).replace(b"IS\2\x0012", b"IS\2\0ab")
    with pytest.raises(InputRefused, match="is damaged"):
        DicomObject(damaged, read=headers.read)
