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

from medtl.dicom.view import View
from medtl.results.identity import ResultIdentity, state_body_part
from medtl.results.slice_picture import Overlay, Rgb, draw_slice, smoothed
from medtl.results.source_images import SourceFrame, untrusted_building
from medtl.results.text import WARNING, captions, most_suspicious
from shared.prediction.answer import Answer
from shared.task import Item

DESCRIPTION = "medtl slices (RESEARCH USE ONLY)"
FULL_PERCENTILE = 99.0
"""Percentile of the magnitudes of all smoothed maps that is shown at full opacity: one pixel must not fade the rest."""


def captures(
    identity: ResultIdentity,
    answer: Answer,
    item: Item,
    maps: Mapping[int, NDArray[np.float32]],
    towards: str,
) -> list[Any]:
    """Makes a Secondary Capture of each of the most suspicious slices, and of each slice with a map.

    A picture lies as its slice is stored, with square pixels, so that viewers show both alike.

    Args:
        identity: Identity of the result.
        answer: The answer about the whole series; where it was not assessed, the captions say so.
        item: The series, with its slices in the view in which they were judged.
        maps: Attributions of some slices, float32 [rows, columns] on the grids of `item.slices`, by slice number from
            1.
        towards: The class whose score the maps explain.

    Returns:
        pydicom datasets, in the order of the slices.

    Raises:
        DataError: Values of the source images keep highdicom from making one.
    """
    view: View = item.view
    shown = {number: smoothed(view.unturn(values)) for number, values in maps.items()}
    full = _full(shown.values())
    objects = []
    for place, number in enumerate(sorted({*maps, *most_suspicious(answer)}), start=1):
        frame = identity.sources.frames[number - 1]
        overlay = Overlay(shown[number], full) if number in maps else None
        lines = captions(answer, identity.record, number, towards if overlay else None)
        picture = draw_slice(view.unturn(item.slices[number - 1]), WARNING, lines, overlay)
        objects.append(_capture(identity, frame, view, picture, place))
    return objects


def _full(maps: Iterable[NDArray[np.float32]]) -> float:
    magnitudes = [np.abs(one[one != 0]) for one in maps]
    together = np.concatenate([np.zeros(0, dtype=np.float32), *magnitudes])
    return float(np.percentile(together, FULL_PERCENTILE)) if len(together) else 1.0


def _capture(identity: ResultIdentity, frame: SourceFrame, view: View, picture: Rgb, number: int) -> Any:
    with untrusted_building("secondary capture"):
        image = SCImage.from_ref_dataset(
            frame.instance,
            picture,
            "RGB",
            bits_allocated=8,
            coordinate_system="PATIENT",
            patient_orientation=view.sides or ("L", "P"),
            transfer_syntax_uid=ExplicitVRLittleEndian,
            **identity.attributes("SC", DESCRIPTION, number),
        )
        image.copy_patient_and_study_information(frame.instance)
        if view.sides is None:
            image.PatientOrientation = None
        state_body_part(image, frame.instance)
        image.BurnedInAnnotation = "YES"
        if "SyntheticData" in frame.instance:
            image.SyntheticData = frame.instance.SyntheticData
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
