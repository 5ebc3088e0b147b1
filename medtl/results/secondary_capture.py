"""The most suspicious slices as Secondary Captures: pictures for any viewer, with text and overlay burned in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from highdicom.sc import SCImage
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian

from medtl.results.identity import ResultIdentity
from medtl.results.slice_picture import Overlay, Rgb, draw_slice, smoothed
from medtl.results.source_images import SourceFrame, untrusted_building
from medtl.results.text import WARNING, captions, most_suspicious
from shared.prediction.answer import Answer

DESCRIPTION = "medtl slices (RESEARCH USE ONLY)"
FULL_PERCENTILE = 99.0
"""Percentile of the magnitudes of all smoothed maps that is shown at full opacity: one pixel must not fade the rest."""
DIRECTIONS = (("L", "R"), ("P", "A"), ("H", "F"))
"""Sides of the body to which x, y and z grow and fall. Source: DICOM PS3.3, C.7.6.1.1.1."""


def captures(
    identity: ResultIdentity,
    answer: Answer,
    slices: Mapping[int, NDArray[np.float32]],
    maps: Mapping[int, NDArray[np.float32]],
    towards: str,
) -> list[Any]:
    """Makes a Secondary Capture of each of the most suspicious slices, and of each slice with a map.

    Args:
        identity: Identity of the result.
        answer: The answer about the whole series.
        slices: Raw pixels of all slices, float32 [rows, columns], by slice number from 1.
        maps: Attributions of some slices, float32 [rows, columns] on the same grids, by slice number.
        towards: The class whose score the maps explain.

    Returns:
        pydicom datasets, in the order of the slices.

    Raises:
        DataError: Values of the source images keep highdicom from making one.
    """
    shown = {number: smoothed(values) for number, values in maps.items()}
    full = _full(shown.values())
    objects = []
    for place, number in enumerate(sorted({*maps, *most_suspicious(answer)}), start=1):
        frame = identity.sources.frames[number - 1]
        overlay = Overlay(shown[number], full) if number in maps else None
        lines = captions(answer, identity.record, number, towards if overlay else None)
        picture = draw_slice(slices[number], _aspect(frame), WARNING, lines, overlay)
        objects.append(_capture(identity, frame, picture, place))
    return objects


def _full(maps: Iterable[NDArray[np.float32]]) -> float:
    magnitudes = [np.abs(one[one != 0]) for one in maps]
    together = np.concatenate([np.zeros(0, dtype=np.float32), *magnitudes])
    return float(np.percentile(together, FULL_PERCENTILE)) if len(together) else 1.0


def _capture(identity: ResultIdentity, frame: SourceFrame, picture: Rgb, number: int) -> Any:
    with untrusted_building("secondary capture"):
        image = SCImage.from_ref_dataset(
            frame.instance,
            picture,
            "RGB",
            bits_allocated=8,
            coordinate_system="PATIENT",
            patient_orientation=_letters(frame) or ("L", "P"),
            transfer_syntax_uid=ExplicitVRLittleEndian,
            **identity.attributes("SC", DESCRIPTION, number),
        )
        image.copy_patient_and_study_information(frame.instance)
        if frame.plane.orientation is None:
            image.PatientOrientation = None
        image.BurnedInAnnotation = "YES"
        image.ConversionType = "WSD"
        image.DerivationDescription = f"{WARNING}: answer of a program over an enlarged slice; not for measuring"
        image.SourceImageSequence = [_reference(frame)]
        return image


def _reference(frame: SourceFrame) -> Dataset:
    """An item of Source Image Sequence. Source: DICOM PS3.3, C.7.6.1."""
    item, purpose = Dataset(), Dataset()
    item.ReferencedSOPClassUID = frame.instance.SOPClassUID
    item.ReferencedSOPInstanceUID = frame.instance.SOPInstanceUID
    if int(frame.instance.get("NumberOfFrames") or 1) > 1:
        item.ReferencedFrameNumber = frame.number
    code = codes.DCM.SourceImageForImageProcessingOperation
    purpose.CodeValue, purpose.CodingSchemeDesignator, purpose.CodeMeaning = (
        code.value,
        code.scheme_designator,
        code.meaning,
    )
    item.PurposeOfReferenceCodeSequence = [purpose]
    return item


def _aspect(frame: SourceFrame) -> float:
    return 1.0 if frame.spacing_mm is None else frame.spacing_mm[0] / frame.spacing_mm[1]


def _letters(frame: SourceFrame) -> tuple[str, str] | None:
    """Sides of the body to which rows and columns of the picture run, by the nearest axis; None where not stated."""
    if frame.plane.orientation is None:
        return None
    nearest = []
    for cosines in (frame.plane.orientation[:3], frame.plane.orientation[3:]):
        axis = int(np.abs(cosines).argmax())
        nearest.append(DIRECTIONS[axis][0 if cosines[axis] > 0 else 1])
    return nearest[0], nearest[1]
