"""The header of a DICOM object, all that it states apart from its pixels: one record for each subject."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from medtl.dicom.acquisition import Acquisition, read_acquisition, read_image_type
from medtl.dicom.geometry import Geometry, read_geometry
from medtl.dicom.layout import PixelLayout, read_layout
from medtl.dicom.values import integer_of, local_text_of, text_of, value_of
from shared.errors import InputRefused

DESCRIPTIONS = (
    "StudyDescription",
    "SeriesDescription",
    "ProtocolName",
    "RequestedProcedureDescription",
    "PerformedProcedureStepDescription",
)
"""Where the body part stands in words, if Body Part Examined is empty."""
PHANTOM_MAKER = "PHANTOM"
"""What the phantom writes into Manufacturer (0008,0070); files of before it wrote Synthetic Data say it there alone."""
LARGEST_NUMBER = 999_999
"""Largest number of a series or an instance that is shown: in a badly filled header a longer one may be a date of birth
or an identifier. Our choice, above the numbers that scanners count to."""


@dataclass(frozen=True)
class Identifiers:
    """Identifiers of patient, study, series and instance; they identify a person.

    Hash them before they enter any file or message. They are empty where nothing is stated.

    Attributes:
        patient_id: Patient ID, raw.
        study_uid: Study Instance UID.
        series_uid: Series Instance UID.
        instance_number: Number of the object within the series, or None.
        series_number: Number of the series within the study as `shown_number` gives it, or None.
    """

    patient_id: str
    study_uid: str
    series_uid: str
    instance_number: int | None
    series_number: int | None = None


@dataclass(frozen=True)
class Equipment:
    """The scanner, as it names itself. Source: DICOM PS3.3, C.7.5.1 (General Equipment).

    Attributes:
        manufacturer: Manufacturer, raw.
        model: Manufacturer's Model Name, raw.
    """

    manufacturer: str
    model: str


@dataclass(frozen=True)
class Examination:
    """Body part and descriptions of the examination.

    Attributes:
        body_part: Body Part Examined, or else the meaning of the anatomic region's code.
        descriptions: Free texts about study, series and protocol, in one string. They may name a person: never show
            them.
    """

    body_part: str
    descriptions: str


@dataclass(frozen=True)
class DicomHeader:
    """The header of a DICOM object; texts are stripped, and empty where nothing is stated.

    Attributes:
        sop_class: SOP Class UID, the kind of the object.
        modality: Modality, upper case, such as "MR".
        burned_in: Whether Burned In Annotation is YES: text stands in the pixels.
        synthetic: Whether the content was made by a program and not acquired: Synthetic Data (0008,001C) is YES, or the
            maker is `PHANTOM_MAKER`. Source: PS3.3, C.12.1 (SOP Common).
        identifiers: Patient, study, series and instance number.
        equipment: Manufacturer and model of the scanner.
        examination: Body part, and descriptions in free text.
        acquisition: Image type, pulse sequence, and the contrast of each slice.
        layout: Size, bits, photometric interpretation and transfer syntax of the pixels.
        geometry: Position and orientation of each slice.
    """

    sop_class: str
    modality: str
    burned_in: bool
    synthetic: bool
    identifiers: Identifiers
    equipment: Equipment
    examination: Examination
    acquisition: Acquisition
    layout: PixelLayout
    geometry: Geometry


def parse_header(dataset: Any) -> DicomHeader:
    """Makes a `DicomHeader` of a pydicom dataset.

    Args:
        dataset: A pydicom dataset, with its pixels or without.

    Raises:
        InputRefused: An element is damaged, or the number of frames is out of range. What else damaged bytes make
            pydicom raise is left to `medtl.dicom.reader.untrusted_decoding`.
    """
    layout = read_layout(dataset, read_image_type(dataset))
    return DicomHeader(
        sop_class=sop_class_of(dataset),
        modality=text_of(dataset, "Modality").upper(),
        burned_in=text_of(dataset, "BurnedInAnnotation").upper() == "YES",
        synthetic=_is_synthetic(dataset),
        identifiers=_identifiers(dataset),
        equipment=Equipment(text_of(dataset, "Manufacturer"), text_of(dataset, "ManufacturerModelName")),
        examination=_examination(dataset),
        acquisition=read_acquisition(dataset, layout.frames, layout.slices),
        layout=layout,
        geometry=read_geometry(dataset, layout.frames, layout.mosaic),
    )


def _is_synthetic(dataset: Any) -> bool:
    says_so = text_of(dataset, "SyntheticData").upper() == "YES"
    return says_so or text_of(dataset, "Manufacturer").upper() == PHANTOM_MAKER


def shown_number(number: int | None) -> int | None:
    """Returns the number of a series or an instance where an answer may show it, else None.

    Args:
        number: The number as the object states it; None where it states none.
    """
    return number if number is not None and 0 <= number <= LARGEST_NUMBER else None


def sop_class_of(dataset: Any) -> str:
    """Reads the SOP Class UID of a pydicom dataset, or else that of its meta header; empty where neither has one.

    Args:
        dataset: A pydicom dataset.

    Raises:
        InputRefused: The element is damaged.
    """
    return text_of(dataset, "SOPClassUID") or text_of(getattr(dataset, "file_meta", {}), "MediaStorageSOPClassUID")


def _identifiers(dataset: Any) -> Identifiers:
    return Identifiers(
        patient_id=text_of(dataset, "PatientID"),
        study_uid=text_of(dataset, "StudyInstanceUID"),
        series_uid=text_of(dataset, "SeriesInstanceUID"),
        instance_number=integer_of(dataset, "InstanceNumber"),
        series_number=_series_number(dataset),
    )


def _series_number(dataset: Any) -> int | None:
    """The number of the series; None where it is not stated, or damaged: nothing is decided by it."""
    try:
        number = integer_of(dataset, "SeriesNumber")
    except (InputRefused, ValueError):
        return None
    return shown_number(number)


def _examination(dataset: Any) -> Examination:
    body_part = local_text_of(dataset, "BodyPartExamined")
    if not body_part:
        region = next(iter(value_of(dataset, "AnatomicRegionSequence") or ()), None)
        body_part = "" if region is None else text_of(region, "CodeMeaning")
    return Examination(body_part, " | ".join(local_text_of(dataset, keyword) for keyword in DESCRIPTIONS))
