"""What a DICOM object says of itself: texts, geometry, contrast, layout of its pixels."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from medtl.dicom.mosaic import Mosaic, is_mosaic, read_mosaic
from medtl.dicom.series import Contrast
from medtl.dicom.values import Vector, float_of, floats_of, functional_groups, integer_of, text_of, texts_of, uid_name
from shared.errors import InputRefused

Number = TypeVar("Number", int, float)

MAX_FRAMES = 1 << 16
"""Frames of one object, above the longest functional series (some thousands of volumes come as files of their own)."""
DESCRIPTIONS = (
    "StudyDescription",
    "SeriesDescription",
    "ProtocolName",
    "RequestedProcedureDescription",
    "PerformedProcedureStepDescription",
)
"""Where the body part stands in words, if Body Part Examined is empty."""


@dataclass(frozen=True)
class DicomHeader:
    """What an object says of itself; texts are stripped and empty where nothing is stated.

    `patient_id`, `study_uid` and `series_uid` identify a person, and `described` may: hash them before they enter any
    file or message.

    Attributes:
        sop_class: SOP Class UID.
        modality: Such as "MR".
        manufacturer: As written by the scanner.
        model: Manufacturer's model name.
        body_part: Body Part Examined, or else the meaning of the anatomic region's code.
        described: Free texts about the examination.
        image_type: Values of Image Type, upper case.
        patient_id: Patient ID, raw.
        study_uid: Study Instance UID.
        series_uid: Series Instance UID.
        instance_number: Number within the series, or None.
        transfer_syntax: Transfer Syntax UID; deduced from the encoding where the file has no meta header.
        field_strength_t: Magnetic field in tesla, or None.
        rows: Rows of a frame; 0 where the object has no image.
        columns: Columns of a frame; 0 where the object has no image.
        frames: Number of frames.
        bits_allocated: Bits that a pixel takes in the file.
        bits_stored: Bits of it that hold the value.
        samples_per_pixel: 1 for grey, 3 for colour.
        photometric: Photometric Interpretation.
        complex_component: MAGNITUDE, PHASE, REAL, IMAGINARY or MIXED in enhanced objects.
        is_localizer: Whether image type, protocol or series are named as a localizer, scout, survey or pilot.
        burned_in: Whether Burned In Annotation is YES: text stands in the pixels.
        is_echo_planar: Whether echo-planar imaging made it, as for diffusion, perfusion and function.
        is_diffusion: Whether a frame is weighted by diffusion (b-value above 0).
        mosaic: How a Siemens mosaic is cut into slices; None where it is none, or cannot be cut.
        mosaic_fault: Why a mosaic cannot be cut; else empty.
        positions: Image Position (Patient) of each frame, or of each slice of a mosaic: three numbers in mm (LPS), or
            None.
        orientations: Image Orientation (Patient) of each of these, six direction cosines (LPS), or None.
        contrasts: What tells images of one place apart, of each of these.
    """

    sop_class: str
    modality: str
    manufacturer: str
    model: str
    body_part: str
    described: str
    image_type: tuple[str, ...]
    patient_id: str
    study_uid: str
    series_uid: str
    instance_number: int | None
    transfer_syntax: str
    field_strength_t: float | None
    rows: int
    columns: int
    frames: int
    bits_allocated: int
    bits_stored: int
    samples_per_pixel: int
    photometric: str
    complex_component: str
    is_localizer: bool
    burned_in: bool
    is_echo_planar: bool
    is_diffusion: bool
    mosaic: Mosaic | None
    mosaic_fault: str
    positions: tuple[Vector | None, ...]
    orientations: tuple[Vector | None, ...]
    contrasts: tuple[Contrast, ...]

    @property
    def slices(self) -> int:
        """Slices that it will be decoded to: its frames, or the tiles of a mosaic."""
        return len(self.positions)

    @property
    def position(self) -> Vector | None:
        """Position of the first frame."""
        return self.positions[0]

    @property
    def orientation(self) -> Vector | None:
        """Orientation of the first frame."""
        return self.orientations[0]

    @property
    def transfer_syntax_name(self) -> str:
        """The transfer syntax in words."""
        return uid_name(self.transfer_syntax) or "an unknown transfer syntax"


def _header(dataset: Any) -> DicomHeader:
    frames = integer_of(dataset, "NumberOfFrames") or 1
    if not 1 <= frames <= MAX_FRAMES:
        # not the number itself: in a damaged file it may be one that stands for a person
        raise InputRefused(f"states a number of frames outside of 1 to {MAX_FRAMES}")
    image_type = tuple(text.upper() for text in texts_of(dataset, "ImageType"))
    names = " ".join([*image_type, text_of(dataset, "SeriesDescription"), text_of(dataset, "ProtocolName")])
    described = " | ".join(text_of(dataset, keyword) for keyword in DESCRIPTIONS)
    rows, columns = (integer_of(dataset, keyword) or 0 for keyword in ("Rows", "Columns"))
    if not rows or not columns:
        rows = columns = 0
    functional = functional_groups(dataset, frames)
    positions = tuple(floats_of(group, "ImagePositionPatient", 3) for group in functional("PlanePositionSequence"))
    orientations = tuple(
        floats_of(group, "ImageOrientationPatient", 6) for group in functional("PlaneOrientationSequence")
    )
    mosaic, fault = _mosaic(dataset, image_type, frames, rows, columns)
    slices = 1 if mosaic is None else mosaic.count
    return DicomHeader(
        sop_class=_sop_class(dataset),
        modality=text_of(dataset, "Modality").upper(),
        manufacturer=text_of(dataset, "Manufacturer"),
        model=text_of(dataset, "ManufacturerModelName"),
        body_part=_body_part(dataset),
        described=described,
        image_type=image_type,
        patient_id=text_of(dataset, "PatientID"),
        study_uid=text_of(dataset, "StudyInstanceUID"),
        series_uid=text_of(dataset, "SeriesInstanceUID"),
        instance_number=integer_of(dataset, "InstanceNumber"),
        transfer_syntax=_transfer_syntax(dataset),
        field_strength_t=float_of(dataset, "MagneticFieldStrength"),
        rows=rows,
        columns=columns,
        frames=frames,
        bits_allocated=integer_of(dataset, "BitsAllocated") or 0,
        bits_stored=integer_of(dataset, "BitsStored") or 0,
        samples_per_pixel=integer_of(dataset, "SamplesPerPixel") or 1,
        photometric=text_of(dataset, "PhotometricInterpretation").upper(),
        complex_component=text_of(dataset, "ComplexImageComponent").upper(),
        is_localizer=re.search(r"locali[sz]er|scout|survey|\bpilot", names, re.IGNORECASE) is not None,
        burned_in=text_of(dataset, "BurnedInAnnotation").upper() == "YES",
        is_echo_planar="EP" in texts_of(dataset, "ScanningSequence")
        or text_of(dataset, "EchoPlanarPulseSequence").upper() == "YES",
        is_diffusion=any((float_of(group, "DiffusionBValue") or 0) > 0 for group in functional("MRDiffusionSequence")),
        mosaic=mosaic,
        mosaic_fault=fault,
        positions=positions if mosaic is None else mosaic.positions,
        orientations=orientations * slices,
        contrasts=_contrasts(dataset, frames) * slices,
    )


def _mosaic(
    dataset: Any, image_type: tuple[str, ...], frames: int, rows: int, columns: int
) -> tuple[Mosaic | None, str]:
    """How a mosaic is cut, or why it cannot be: whether that matters is for the rules to say."""
    if not rows or not is_mosaic(image_type):
        return None, ""
    if frames > 1:
        return None, "is a Siemens mosaic of several frames, which no scanner writes"
    try:
        return read_mosaic(dataset, rows, columns), ""
    except InputRefused as error:
        return None, str(error)


def _contrasts(dataset: Any, frames: int) -> tuple[Contrast, ...]:
    """Of each frame. Source: DICOM PS3.3, C.8.3.1 of single slices; C.8.13.5.4 and C.7.6.16.2.2 of frames."""
    functional = functional_groups(dataset, frames)
    return tuple(
        Contrast(
            echo_time_ms=_first(float_of, echo, "EffectiveEchoTime", "EchoTime"),
            time_point=_first(integer_of, content, "TemporalPositionIndex", "TemporalPositionIdentifier"),
            acquisition=_first(integer_of, content, "FrameAcquisitionNumber", "AcquisitionNumber"),
        )
        for echo, content in zip(functional("MREchoSequence"), functional("FrameContentSequence"), strict=True)
    )


def _first(read: Callable[[Any, str], Number | None], group: Any, *keywords: str) -> Number | None:
    return next((value for value in (read(group, keyword) for keyword in keywords) if value is not None), None)


def _sop_class(dataset: Any) -> str:
    return text_of(dataset, "SOPClassUID") or text_of(getattr(dataset, "file_meta", {}), "MediaStorageSOPClassUID")


def _transfer_syntax(dataset: Any) -> str:
    if stated := text_of(getattr(dataset, "file_meta", {}), "TransferSyntaxUID"):
        return stated
    implicit, little = dataset.original_encoding
    return "1.2.840.10008.1.2" if implicit else "1.2.840.10008.1.2.1" if little else "1.2.840.10008.1.2.2"


def _body_part(dataset: Any) -> str:
    if stated := text_of(dataset, "BodyPartExamined"):
        return stated
    region = next(iter(dataset.get("AnatomicRegionSequence") or ()), None)
    return "" if region is None else text_of(region, "CodeMeaning")
