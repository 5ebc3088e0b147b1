"""Reading one DICOM object without trusting it.

The bytes come from strangers: every fault, whatever pydicom or a codec makes of it, leaves as `InputRefused` with one
line that names nobody. Only grey MR images of the head are decoded; what else arrives is told apart and refused.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.pixels import get_decoder
from pydicom.uid import UID

from medtl.dicom_bounds import Metered, check_codestreams, check_length, check_size, inflated
from medtl.dicom_rules import MEDIA_DIRECTORY, check_suitable, uid_name
from shared.errors import InputRefused, MedtlError
from shared.quiet import quiet_libraries

Vector = tuple[float, ...]

MAX_FRAMES = 1 << 16
"""Frames of one object, above the longest functional series (some thousands of volumes come as files of their own)."""
TALKATIVE = ("pydicom", "nibabel.global")
"""Loggers that quote damaged values, which may be a name or a date of birth."""
NO_IMAGE = "is neither DICOM nor a picture or volume that is known"
FIRST_GROUPS = (b"\x02\0", b"\x08\0", b"\0\x08")
"""Groups that a file without preamble begins with, the last in big endian: of anything else pydicom would try to make
elements for minutes. Source: DICOM PS3.10, 7.1, and PS3.6: the tags of group 0008 are the lowest of an image."""
JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"


@dataclass(frozen=True)
class DicomHeader:
    """What an object says of itself; texts are stripped and empty where nothing is stated.

    `patient_id`, `study_uid` and `series_uid` identify a person: hash them before they enter any file or message.

    Attributes:
        sop_class: SOP Class UID.
        modality: Such as "MR".
        manufacturer: As written by the scanner.
        model: Manufacturer's model name.
        body_part: Body Part Examined, or else the meaning of the anatomic region's code.
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
        positions: Image Position (Patient) of each frame, three numbers in mm (LPS), or None.
        orientations: Image Orientation (Patient) of each frame, six direction cosines (LPS), or None.
    """

    sop_class: str
    modality: str
    manufacturer: str
    model: str
    body_part: str
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
    positions: tuple[Vector | None, ...]
    orientations: tuple[Vector | None, ...]

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


@dataclass(frozen=True)
class DicomImage:
    """A decoded object.

    Attributes:
        header: What it says of itself.
        frames: float32 [frames, rows, columns] after rescale slope and intercept; bright is a high value also where
            the file is MONOCHROME1.
    """

    header: DicomHeader
    frames: NDArray[np.float32]


def read_header(data: bytes) -> DicomHeader:
    """Reads what a DICOM object says of itself, whatever kind of object it is; no pixel is decoded.

    Raises:
        InputRefused: It is not DICOM, or is damaged.
    """
    with foreign_code():
        return _header(_parse(data, stop_before_pixels=True))


def read_dicom(data: bytes, *, allow_blank: bool = False) -> DicomImage:
    """Decodes an MR image, single slice or multi-frame, in any transfer syntax that pydicom and GDCM know.

    Args:
        data: The bytes of one file.
        allow_blank: Whether an image without any contrast is accepted: in a series, a slice beside the head may be so.

    Raises:
        InputRefused: It is not DICOM, damaged, blank, too large, compressed in a way that cannot be decoded, or is
            something else than a grey MR image of the head.
    """
    header = read_header(data)
    check_suitable(header)
    check_size(header)
    with foreign_code():
        frames = _decode(_parse(data, stop_before_pixels=False), header)
    if not np.isfinite(frames).all():
        raise InputRefused("has pixel values that are not finite")
    if not allow_blank and frames.min() == frames.max():
        raise InputRefused("is blank: all pixels have the same value")
    return DicomImage(header, frames)


def read_file_ids(data: bytes) -> list[tuple[str, ...]]:
    """The files that a DICOMDIR refers to, each as the parts of a path relative to it.

    Source: DICOM PS3.3, F.3.2.2 (Referenced File ID).

    Raises:
        InputRefused: It is no DICOMDIR, or is damaged.
    """
    with foreign_code():
        dataset = _parse(data, stop_before_pixels=True)
        if _sop_class(dataset) != MEDIA_DIRECTORY:
            raise InputRefused("is not a DICOMDIR")
        listed = (_texts(record, "ReferencedFileID") for record in dataset.get("DirectoryRecordSequence") or ())
        return [parts for parts in listed if parts]


@contextmanager
def foreign_code() -> Iterator[None]:
    """Runs a decoder on bytes from a stranger: its warnings, its log and what its C
    code writes to standard error stay inside, its faults become refusals.

    Raises:
        InputRefused: Whatever was raised inside.
    """
    with warnings.catch_warnings(), quiet_libraries(), ExitStack() as silence:
        warnings.simplefilter("ignore")
        for logger in map(logging.getLogger, TALKATIVE):
            mute = logging.Filter("nothing that logs has this name")
            logger.addFilter(mute)
            silence.callback(logger.removeFilter, mute)
        try:
            yield
        except MedtlError:
            raise
        except MemoryError:
            raise InputRefused("needs more memory than there is") from None
        # The one broad catch of the readers. pydicom, the codecs and nibabel raise nearly every kind on damaged bytes
        # (AttributeError, KeyError, struct.error, RecursionError ...); their messages may quote the patient.
        except Exception as error:
            raise InputRefused(f"is damaged and cannot be decoded ({type(error).__name__})") from None


def _parse(data: bytes, *, stop_before_pixels: bool) -> Any:
    """A pydicom dataset; also without preamble, if what then comes out looks like DICOM."""
    marked = data[128:132] == b"DICM"
    if not marked and data[:2] not in FIRST_GROUPS:
        raise InputRefused(NO_IMAGE)
    try:
        dataset = pydicom.dcmread(Metered(inflated(data)), stop_before_pixels=stop_before_pixels, force=True)
        plausible = marked or _sop_class(dataset).startswith("1.2.840.10008.") or bool(_text(dataset, "Modality"))
    except Exception:
        if marked:
            raise
        plausible = False
    if not plausible:
        raise InputRefused(NO_IMAGE)
    return dataset


def _header(dataset: Any) -> DicomHeader:
    frames = _integer(dataset, "NumberOfFrames") or 1
    if not 1 <= frames <= MAX_FRAMES:
        # not the number itself: in a damaged file it may be one that stands for a person
        raise InputRefused(f"states a number of frames outside of 1 to {MAX_FRAMES}")
    image_type = tuple(text.upper() for text in _texts(dataset, "ImageType"))
    names = " ".join([*image_type, _text(dataset, "SeriesDescription"), _text(dataset, "ProtocolName")])
    has_image = all(_integer(dataset, keyword) for keyword in ("Rows", "Columns"))
    functional = _functional_groups(dataset, frames)
    return DicomHeader(
        sop_class=_sop_class(dataset),
        modality=_text(dataset, "Modality").upper(),
        manufacturer=_text(dataset, "Manufacturer"),
        model=_text(dataset, "ManufacturerModelName"),
        body_part=_body_part(dataset),
        image_type=image_type,
        patient_id=_text(dataset, "PatientID"),
        study_uid=_text(dataset, "StudyInstanceUID"),
        series_uid=_text(dataset, "SeriesInstanceUID"),
        instance_number=_integer(dataset, "InstanceNumber"),
        transfer_syntax=_transfer_syntax(dataset),
        field_strength_t=next(iter(_floats(dataset, "MagneticFieldStrength", 1) or ()), None),
        rows=_integer(dataset, "Rows") or 0 if has_image else 0,
        columns=_integer(dataset, "Columns") or 0 if has_image else 0,
        frames=frames,
        bits_allocated=_integer(dataset, "BitsAllocated") or 0,
        bits_stored=_integer(dataset, "BitsStored") or 0,
        samples_per_pixel=_integer(dataset, "SamplesPerPixel") or 1,
        photometric=_text(dataset, "PhotometricInterpretation").upper(),
        complex_component=_text(dataset, "ComplexImageComponent").upper(),
        is_localizer=re.search(r"locali[sz]er|scout|survey|\bpilot", names, re.IGNORECASE) is not None,
        burned_in=_text(dataset, "BurnedInAnnotation").upper() == "YES",
        positions=tuple(_floats(group, "ImagePositionPatient", 3) for group in functional("PlanePositionSequence")),
        orientations=tuple(
            _floats(group, "ImageOrientationPatient", 6) for group in functional("PlaneOrientationSequence")
        ),
    )


def _functional_groups(dataset: Any, frames: int) -> Any:
    """A function from a functional group to what states it for each frame: the frame, all frames, or the top level.

    Source: DICOM PS3.3, C.7.6.16 (Multi-frame Functional Groups).
    """
    own = list(dataset.get("PerFrameFunctionalGroupsSequence") or ())
    if len(own) != frames:
        own = []  # contradictory; `_scales` refuses it when pixels are asked for
    shared_groups = list(dataset.get("SharedFunctionalGroupsSequence") or ())[:1]

    def groups(keyword: str) -> list[Any]:
        def first(holder: Any) -> Any:
            return next(iter(holder.get(keyword) or ()), None)

        fallback = next((found for found in map(first, shared_groups) if found is not None), dataset)
        # Without functional groups only the first frame has the geometry of the object.
        single = [fallback] + [fallback if shared_groups else {}] * (frames - 1)
        return [fallback if (found := first(group)) is None else found for group in own] if own else single

    return groups


def _decode(dataset: Any, header: DicomHeader) -> NDArray[np.float32]:
    syntax = UID(header.transfer_syntax)
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        decoder = None
    if decoder is None or not decoder.is_available:
        raise InputRefused(
            f"is stored as {header.transfer_syntax_name}, which cannot be decoded here; export it uncompressed"
        )
    if header.transfer_syntax == JPEG_EXTENDED and header.bits_stored > 8:
        raise InputRefused(
            f"is stored as JPEG Extended with {header.bits_stored} bits, which cannot be decoded here; "
            "export it uncompressed"
        )
    if "PixelData" not in dataset:
        raise InputRefused("contains no pixels")
    if syntax.is_encapsulated:
        check_codestreams(dataset.PixelData, header)
    else:
        check_length(dataset.PixelData, header)
    inverted = header.photometric == "MONOCHROME1"
    signed = bool(_integer(dataset, "PixelRepresentation"))
    frames = np.empty((header.frames, header.rows, header.columns), np.float32)
    scales = _scales(dataset, header.frames)
    decoded = 0
    for index, (stored, _) in enumerate(decoder.iter_array(dataset, raw=True)):
        values = stored.astype(np.float32)
        if inverted:
            values = (-1.0 if signed else 2.0**header.bits_stored - 1.0) - values
        slope, intercept = scales[index]
        frames[index] = values * slope + intercept
        decoded += 1
    if decoded != header.frames:
        raise InputRefused(f"is truncated: {decoded} of {header.frames} frames are there")
    return frames


def _scales(dataset: Any, frames: int) -> list[tuple[float, float]]:
    """Rescale slope and intercept of each frame. Source: DICOM PS3.3, C.11.1.1.2 and C.7.6.16.2.9."""
    scales = []
    if dataset.get("ModalityLUTSequence"):
        raise InputRefused("has a Modality LUT, which no MR image may have")
    transformations = [dataset] * frames
    if (own := dataset.get("PerFrameFunctionalGroupsSequence")) is not None:
        if len(own) != frames:
            raise InputRefused(f"states {frames} frames and describes {len(own)}")
        transformations = _functional_groups(dataset, frames)("PixelValueTransformationSequence")
    for group in transformations:
        slope = _floats(group, "RescaleSlope", 1) or (1.0,)
        intercept = _floats(group, "RescaleIntercept", 1) or (0.0,)
        if slope[0] == 0:
            raise InputRefused("has a rescale slope of 0, which erases the image")
        scales.append((slope[0], intercept[0]))
    return scales


def _sop_class(dataset: Any) -> str:
    return _text(dataset, "SOPClassUID") or _text(getattr(dataset, "file_meta", {}), "MediaStorageSOPClassUID")


def _transfer_syntax(dataset: Any) -> str:
    if stated := _text(getattr(dataset, "file_meta", {}), "TransferSyntaxUID"):
        return stated
    implicit, little = dataset.original_encoding
    return "1.2.840.10008.1.2" if implicit else "1.2.840.10008.1.2.1" if little else "1.2.840.10008.1.2.2"


def _body_part(dataset: Any) -> str:
    if stated := _text(dataset, "BodyPartExamined"):
        return stated
    region = next(iter(dataset.get("AnatomicRegionSequence") or ()), None)
    return "" if region is None else _text(region, "CodeMeaning")


def _text(dataset: Any, keyword: str) -> str:
    return " ".join(_texts(dataset, keyword))


def _texts(dataset: Any, keyword: str) -> tuple[str, ...]:
    try:
        value = dataset.get(keyword)
    except ValueError:  # pydicom interprets an element when it is first asked for
        raise InputRefused(f"has a damaged {keyword}") from None
    if value is None:
        return ()
    several = not isinstance(value, (str, bytes)) and hasattr(value, "__iter__")
    return tuple(str(part).strip(" \0") for part in (value if several else (value,)))


def _floats(dataset: Any, keyword: str, count: int) -> Vector | None:
    """`count` finite numbers, or None where nothing is stated."""
    texts = [text for text in _texts(dataset, keyword) if text]
    if not texts:
        return None
    numbers = tuple(float(text) for text in texts)
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise InputRefused(f"has a damaged {keyword}")
    return numbers


def _integer(dataset: Any, keyword: str) -> int | None:
    text = _text(dataset, keyword)
    return int(text) if text else None
