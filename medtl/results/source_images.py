"""The MR images that a result is about, read once more for the elements that new DICOM objects copy from them.

New objects belong to the study and the patient of their sources. highdicom needs every element that it copies, if only
empty, and quotes damaged values in its messages, which must therefore not reach a log.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pydicom.valuerep import DA, TM

from medtl.dicom.geometry import ImagePlane
from medtl.dicom.header import DicomHeader
from medtl.dicom.reader import read_attributes, read_header
from medtl.dicom.rules import MR_IMAGES
from medtl.dicom.values import functional_groups
from medtl.inputs import DICOM
from shared.errors import DataError, InputRefused, MedtlError
from shared.io.archives import read_source
from shared.io.quiet import quiet_loggers
from shared.task import Item

logger = logging.getLogger(__name__)

IDENTITY = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
"""Elements without which no object can refer to an image."""
MAY_BE_EMPTY = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
)
"""Attributes of type 2 of patient and study: always there, at times empty. Source: DICOM PS3.3, C.7.1.1 and C.7.2.1."""
SEXES = ("M", "F", "O")
AGE = re.compile(r"\d{3}[DWMY]")
"""Source: DICOM PS3.5, table 6.2-1 (AS)."""
LOGGERS_THAT_QUOTE_VALUES = ("highdicom", "pydicom")


@dataclass(frozen=True)
class SourceFrame:
    """One slice of the source images: which frame it is, and where it lies.

    Attributes:
        instance: The object that holds the slice, a pydicom dataset without pixels.
        number: Number of its frame in that object, from 1.
        plane: Position, orientation and pixel spacing in the patient.
        thickness_mm: Slice Thickness; None where not stated.
    """

    instance: Any
    number: int
    plane: ImagePlane
    thickness_mm: float | None


@dataclass(frozen=True)
class Sources:
    """The source images of one result: at least one, all of one series.

    Attributes:
        frames: The frame of each slice, in order; for a refused item the first frame of each file.
        instances: The objects that hold these frames, each once, in the order in which they first occur.
    """

    frames: tuple[SourceFrame, ...]
    instances: tuple[Any, ...]


def read_sources(item: Item) -> Sources:
    """Reads the elements, without pixels, of the DICOM images that an item was read from.

    Elements of patient and study that are missing or invalid are made empty; invalid ones are logged by name.

    Args:
        item: An item with the origins of its slices.

    Returns:
        The frame of each slice, and the objects that hold these frames.

    Raises:
        DataError: The item was not read from DICOM, or its files cannot be read again, are no MR images, or lack a UID
            that a reference needs.
    """
    if not item.origins or item.series.get("format") != DICOM:
        raise DataError("was not read from DICOM images that can be read: no DICOM object can refer to it")
    held = {source: _read(source) for source in dict.fromkeys(origin.source for origin in item.origins)}
    frames = tuple(held[origin.source][origin.index] for origin in item.origins)
    instances = tuple(frames_of_one[0].instance for frames_of_one in held.values())
    with untrusted_building("reference"):
        emptied = sorted({keyword for instance in instances for keyword in _complete(instance)})
    for keyword in emptied:
        logger.warning("the source images have an invalid %s; what is written does not have it", keyword)
    return Sources(frames, instances)


@contextmanager
def untrusted_building(what: str) -> Iterator[None]:
    """Contains highdicom on untrusted values: its warnings and logs stay inside, its faults become a DataError.

    Args:
        what: Name of the object that is made, for the message ("structured report").

    Raises:
        DataError: Anything was raised inside; the message names its type, never its text.
    """
    with quiet_loggers(*LOGGERS_THAT_QUOTE_VALUES):
        try:
            yield
        except MedtlError:
            raise
        # Broad as in `medtl.dicom.reader.untrusted_decoding`, for the same reason: the values are untrusted, and
        # the messages may quote the patient.
        except Exception as error:
            raise DataError(
                f"no {what} can be made from these images: a value in them is damaged ({type(error).__name__}); export "
                "them again"
            ) from None


def _read(source: str) -> list[SourceFrame]:
    """Reads all frames of one file."""
    try:
        data = read_source(source)
        header, dataset = read_header(data), read_attributes(data)
    except InputRefused as error:
        raise DataError(f"a source image {error}") from None
    if header.modality not in ("MR", "") or header.sop_class not in MR_IMAGES:
        raise DataError("is no MR image: DICOM objects are written about MR images only")
    if header.layout.mosaic is not None:
        raise DataError("is a Siemens mosaic: a DICOM object cannot refer to one of the slices in it")
    with untrusted_building("reference"):
        dataset.SOPClassUID = header.sop_class
        missing = next((keyword for keyword in IDENTITY if not dataset.get(keyword)), None)
    if missing is not None:
        raise DataError(
            f"a source image states no {missing}: no DICOM object can refer to it; export the series with {missing}"
        )
    return _frames(dataset, header)


def _complete(dataset: Any) -> list[str]:
    """Adds missing elements of `MAY_BE_EMPTY` as empty, and empties invalid ones, which highdicom refuses.

    Sequences without items and ages in another form than DICOM's go: new objects must not have them, and need not.

    Returns:
        Keywords of the invalid ones.
    """
    for keyword in [element.keyword for element in dataset if element.VR == "SQ" and not element.value]:
        del dataset[keyword]
    emptied = []
    for keyword in MAY_BE_EMPTY:
        if keyword not in dataset:
            setattr(dataset, keyword, None)
        elif not _is_valid(keyword, dataset[keyword].value):
            setattr(dataset, keyword, None)
            emptied.append(keyword)
    if "PatientAge" in dataset and not AGE.fullmatch(str(dataset.PatientAge)):
        del dataset.PatientAge
        emptied.append("PatientAge")
    return emptied


def _is_valid(keyword: str, value: Any) -> bool:
    if not value:
        return True
    if keyword == "PatientSex":
        return value in SEXES
    kind = {"Date": DA, "Time": TM}.get(keyword[-4:])
    if kind is None:
        return True
    try:
        kind(value)
    except ValueError:
        return False
    return True


def _frames(dataset: Any, header: DicomHeader) -> list[SourceFrame]:
    with untrusted_building("reference"):
        return [
            SourceFrame(
                dataset,
                index + 1,
                header.geometry.planes[index],
                _thickness(measures),
            )
            for index, measures in enumerate(functional_groups(dataset, header.layout.frames)("PixelMeasuresSequence"))
        ]


def _thickness(measures: Any) -> float | None:
    """Slice Thickness in mm; None where it is not stated, or not above zero."""
    stated = measures.get("SliceThickness")
    return float(stated) if stated and float(stated) > 0 else None
