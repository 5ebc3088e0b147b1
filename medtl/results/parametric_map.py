"""Attributions as a Parametric Map: float values on the grid of the source slices, for viewers that can fuse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

import highdicom as hd
import numpy as np
from highdicom.pm import ParametricMap, RealWorldValueMapping
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.sr.codedict import codes

from medtl.dicom.geometry import FUNCTIONAL_GROUPS, slice_normal
from medtl.dicom.series import SAME_PLACE_MM
from medtl.results.identity import ResultIdentity, clipped, state_body_part
from medtl.results.source_images import SourceFrame, untrusted_building
from medtl.results.text import WARNING, attribution
from shared.errors import DataError

DESCRIPTION = "medtl attribution (RESEARCH USE ONLY)"
PARALLEL = 1e-3
"""Largest difference of direction cosines, and relative one of spacings, within one map, which has one of each."""


def parametric_map(identity: ResultIdentity, maps: Mapping[int, NDArray[np.float32]], towards: str) -> Any:
    """Makes a DICOM Parametric Map of attributions, in the geometry of their slices.

    Args:
        identity: Identity of the result.
        maps: At least one attribution, float32 [rows, columns] on the stored pixels of its slice, by slice number
            from 1.
        towards: The class whose score the maps explain.

    Returns:
        A pydicom dataset.

    Raises:
        DataError: The source images do not state where they lie, or one map cannot hold them: they differ in size or
            spacing, are not parallel, or lie in one place.
    """
    numbers = sorted(maps)
    frames = [identity.sources.frames[number - 1] for number in numbers]
    _check_geometry(frames, [maps[number].shape for number in numbers])
    values = np.stack([maps[number] for number in numbers]).astype(np.float32)
    largest = float(np.abs(values).max()) or 1.0
    words = attribution(towards)
    with untrusted_building("parametric map"):
        made = ParametricMap(
            source_images=_stand_ins(frames),
            pixel_array=values,
            contains_recognizable_visual_features=False,
            real_world_value_mappings=[_mapping(words, largest)],
            voi_lut_transformations=[hd.VOILUTTransformation(window_center=0.0, window_width=2 * largest)],
            plane_positions=[hd.PlanePositionSequence("PATIENT", frame.plane.position_mm or ()) for frame in frames],
            plane_orientation=hd.PlaneOrientationSequence("PATIENT", frames[0].plane.orientation or ()),
            pixel_measures=hd.PixelMeasuresSequence(frames[0].plane.spacing_mm or (), frames[0].thickness_mm),
            content_label="ATTRIBUTION",
            content_description=clipped(words),
            content_qualification="RESEARCH",
            **identity.attributes("PM", DESCRIPTION),
        )
        state_body_part(made, frames[0].instance)
        made.DerivationDescription = f"{WARNING}: {words}"
        _rename_dimensions(made, identity.uid("dimensions"))
        return made


def _check_geometry(frames: Sequence[SourceFrame], shapes: Sequence[tuple[int, ...]]) -> None:
    def refuse(why: str) -> DataError:
        return DataError(f"no parametric map can be made: {why}")

    positions = [frame.plane.position_mm for frame in frames if frame.plane.position_mm is not None]
    orientations = [frame.plane.orientation for frame in frames if frame.plane.orientation is not None]
    spacings = [frame.plane.spacing_mm for frame in frames if frame.plane.spacing_mm is not None]
    stated = min(map(len, (positions, orientations, spacings))) == len(frames)
    if not stated or not frames[0].instance.get("FrameOfReferenceUID"):
        raise refuse("the source images do not state position, orientation, spacing and frame of reference")
    if len(set(shapes)) > 1 or not np.allclose(spacings, spacings[0], rtol=PARALLEL):
        raise refuse("the source slices differ in size or pixel spacing")
    if not np.allclose(orientations, orientations[0], rtol=0, atol=PARALLEL):
        raise refuse("the source slices are not parallel")
    if (np.diff(np.sort(np.array(positions) @ slice_normal(orientations[0]))) < SAME_PLACE_MM).any():
        raise refuse("several source slices lie in one place (echoes or time points)")


def _stand_ins(frames: Sequence[SourceFrame]) -> list[Any]:
    """Copies of the source objects with the geometry where highdicom looks for it.

    Scanners state the geometry that all frames share for each frame, and round it differently from slice to slice.
    """
    first, found = frames[0], {}
    for frame in frames:
        instance = copy(frame.instance)
        if any(keyword in instance for keyword in FUNCTIONAL_GROUPS):
            common = instance.get("SharedFunctionalGroupsSequence")
            group = copy(common[0]) if common else Dataset()
            group.PlaneOrientationSequence = hd.PlaneOrientationSequence("PATIENT", first.plane.orientation or ())
            group.PixelMeasuresSequence = hd.PixelMeasuresSequence(first.plane.spacing_mm or (), first.thickness_mm)
            instance.SharedFunctionalGroupsSequence = DicomSequence([group])
        else:
            instance.ImageOrientationPatient = list(first.plane.orientation or ())
            instance.PixelSpacing = list(first.plane.spacing_mm or ())
            instance.SliceThickness = first.thickness_mm
        found[frame.instance.SOPInstanceUID] = instance
    return list(found.values())


def _mapping(words: str, largest: float) -> Any:
    return RealWorldValueMapping(
        lut_label="ATTRIBUTION",
        lut_explanation=clipped(words),
        unit=codes.UCUM.NoUnits,
        value_range=(-largest, largest),
        quantity_definition=codes.DCM.Saliency,
    )


def _rename_dimensions(made: Dataset, uid: str) -> None:
    """Gives the dimensions a UID that is the same whenever the map is made; that of highdicom is random."""
    for item in (*made.DimensionOrganizationSequence, *made.DimensionIndexSequence):
        item.DimensionOrganizationUID = uid
