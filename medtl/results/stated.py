"""What a received object says of itself, before it is stored: whose it is, and whether it is to be judged."""

from __future__ import annotations

from dataclasses import dataclass

import pydicom

from medtl.dicom.bounds import Metered, inflated
from medtl.dicom.reader import check_complete, untrusted_decoding
from medtl.dicom.values import text_of, uid_name
from medtl.results.identity import MANUFACTURER
from shared.errors import InputRefused

KEYWORDS = ("SOPClassUID", "SOPInstanceUID", "PatientID", "StudyInstanceUID", "SeriesInstanceUID", "Manufacturer")
IMAGE_STORAGE = "Image Storage"
"""Words in the names of the SOP classes of images. Source: DICOM PS3.6, table A-1."""


@dataclass(frozen=True)
class Stated:
    """What a received object says of itself.

    Attributes:
        instance: SOP Instance UID.
        series: What identifies its series: Patient ID, Study and Series Instance UID.
        sop_class: SOP Class UID.
        kind: Name of its SOP class; empty where DICOM does not name it.
        is_answer: Whether it carries the mark of medtl, as the results of any of its nodes do: an answer to an answer
            would never end.
    """

    instance: str
    series: tuple[str, str, str]
    sop_class: str
    kind: str
    is_answer: bool

    @property
    def is_image(self) -> bool:
        """Whether it is an image, or may be one: reports, presentation states and segmentations are none."""
        return not self.kind or IMAGE_STORAGE in self.kind

    @property
    def what(self) -> str:
        """What it is, in words without identifiers."""
        return "an answer of medtl" if self.is_answer else f"an object of the kind {self.kind}"


def read_stated(data: bytes) -> Stated:
    """Reads what an object says of itself.

    Args:
        data: The bytes of a DICOM file.

    Returns:
        What it states; texts are empty where it states nothing.

    Raises:
        InputRefused: The object is damaged.
    """
    with untrusted_decoding():
        dataset = pydicom.dcmread(Metered(inflated(data)), stop_before_pixels=True, specific_tags=list(KEYWORDS))
        kind, instance, patient, study, series, maker = (text_of(dataset, keyword) for keyword in KEYWORDS)
    return Stated(instance, (patient, study, series), kind, uid_name(kind), maker == MANUFACTURER)


def is_whole(data: bytes) -> bool:
    """Says whether an object has all the pixels that its header states; nothing is decompressed.

    Args:
        data: The bytes of a DICOM file.
    """
    try:
        check_complete(data)
    except InputRefused:
        return False
    return True
