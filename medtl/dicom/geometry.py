"""Where the slices of a DICOM object lie in the patient.

Coordinates are those of DICOM's patient system (LPS): x grows to the patient's left, y to the back, z to the head.
Source: DICOM PS3.3, C.7.6.2 (Image Plane) and C.7.6.16.2.1, C.7.6.16.2.3, C.7.6.16.2.4 (pixel measures, position and
orientation of frames).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medtl.dicom.mosaic import Mosaic
from medtl.dicom.values import Vector, floats_of, functional_groups, read_each, value_of
from shared.errors import InputRefused

COSINE_TOLERANCE = 0.05
"""Direction cosines that differ by less (3 degrees) are one orientation: scanners round, people tilt by more."""


FUNCTIONAL_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
SIDES = (("L", "R"), ("P", "A"), ("H", "F"))
"""Sides of the body to which x, y and z grow and fall. Source: DICOM PS3.3, C.7.6.1.1.1."""


@dataclass(frozen=True)
class ImagePlane:
    """Position, orientation and pixel spacing of one slice in the patient.

    Attributes:
        position_mm: Image Position (Patient), the centre of the first pixel: x, y, z in mm (LPS). None where it is not
            stated.
        orientation: Image Orientation (Patient): six direction cosines (LPS), three along the rows, three down the
            columns. None where it is not stated.
        spacing_mm: Pixel Spacing: distance of neighbouring rows, then of neighbouring columns. None where it is not
            stated.
    """

    position_mm: Vector | None = None
    orientation: Vector | None = None
    spacing_mm: Vector | None = None


@dataclass(frozen=True)
class Geometry:
    """The image planes of one DICOM object.

    Attributes:
        planes: One for each slice: for each frame, or for each tile of a mosaic.
    """

    planes: tuple[ImagePlane, ...]


def read_geometry(dataset: Any, frames: int, mosaic: Mosaic | None) -> Geometry:
    """Reads the image plane of each slice of a DICOM object.

    Args:
        dataset: A pydicom dataset.
        frames: Number of frames of the object.
        mosaic: How the object is cut into slices, which then have positions of their own; None where it is no mosaic.

    Returns:
        One plane for each slice; what is not stated of it is None.

    Raises:
        InputRefused: A position, an orientation or a pixel spacing is damaged.
    """
    groups = functional_groups(dataset, frames)
    spacings = read_each(groups("PixelMeasuresSequence"), _spacing)
    positions = read_each(groups("PlanePositionSequence"), lambda group: floats_of(group, "ImagePositionPatient", 3))
    orientations = read_each(
        groups("PlaneOrientationSequence"), lambda group: floats_of(group, "ImageOrientationPatient", 6)
    )
    if all(value_of(dataset, keyword) is None for keyword in FUNCTIONAL_GROUPS):
        # The frames of an object without functional groups lie in parallel; only the place of the first is stated.
        orientations, spacings = orientations[:1] * frames, spacings[:1] * frames
    if mosaic is not None:
        positions = [*mosaic.positions]
        orientations, spacings = orientations * mosaic.count, spacings * mosaic.count
    return Geometry(tuple(ImagePlane(*place) for place in zip(positions, orientations, spacings, strict=True)))


def _spacing(group: Any) -> Vector | None:
    """Pixel Spacing of a frame; None also where it is zero or less, as programs write that do not know it."""
    spacing = floats_of(group, "PixelSpacing", 2)
    return spacing if spacing is not None and min(spacing) > 0 else None


def slice_normal(orientation: Vector) -> NDArray[np.float64]:
    """Computes the unit normal of a slice: the cross product of row and column direction.

    Of an axial slice as radiologists see it, it points to the head. Source: DICOM PS3.3, C.7.6.2.1.1.

    Args:
        orientation: Six direction cosines (LPS), as `ImagePlane.orientation`.

    Returns:
        float64 [3] of length 1 (LPS).

    Raises:
        InputRefused: Rows and columns are not at right angles, or are no directions.
    """
    normal = np.cross(orientation[:3], orientation[3:])
    length = float(np.linalg.norm(normal))
    if abs(length - 1.0) > COSINE_TOLERANCE:
        raise InputRefused("has a damaged orientation: rows and columns are not at right angles")
    return np.asarray(normal / length)


def body_side(direction: NDArray[np.float64]) -> str:
    """Names the side of the body that a direction points to most: L, R, P, A, H or F.

    Args:
        direction: x, y, z (LPS), of any length above zero.
    """
    axis = int(np.abs(direction).argmax())
    return SIDES[axis][0 if direction[axis] > 0 else 1]
