"""Siemens mosaics: the slices of one volume as tiles of one large picture.

Tiles run row by row from the upper left, in a square just large enough; those left over at the end are black.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medtl.dicom.csa_header import read_csa
from medtl.dicom.values import Vector, floats_of
from shared.errors import InputRefused

MR_HEADER = "SIEMENS MR HEADER"
CSA_HEADER = "SIEMENS CSA HEADER"
PERPENDICULAR = 0.99
"""Least cosine between the stated normal and rows times columns (8 degrees): further apart, one of them is wrong."""


@dataclass(frozen=True)
class Mosaic:
    """The number, size and position of the slices in a Siemens mosaic.

    Attributes:
        count: Number of slices.
        across: Number of tiles in a row of the mosaic, and of rows of tiles.
        positions: Image Position (Patient) that each slice would have as an image of its own: x, y, z in mm (LPS).
    """

    count: int
    across: int
    positions: tuple[Vector, ...]


def is_mosaic(image_type: tuple[str, ...]) -> bool:
    """Says whether the values of Image Type name the image a mosaic.

    Args:
        image_type: The values in upper case; may be empty.
    """
    return "MOSAIC" in image_type[2:]


def read_mosaic(dataset: Any, rows: int, columns: int) -> Mosaic:
    """Reads how the slices of a Siemens mosaic lie in its picture and in the patient.

    Args:
        dataset: A pydicom dataset of one frame.
        rows: Rows of the whole mosaic.
        columns: Columns of the whole mosaic.

    Returns:
        Number, size and positions of the slices.

    Raises:
        InputRefused: The header does not state it, or contradicts itself.
    """
    csa = _csa(dataset)
    count = _count(dataset, csa)
    across = math.isqrt(count - 1) + 1
    if rows % across or columns % across or min(rows, columns) < across:
        raise InputRefused(f"is a Siemens mosaic whose {rows} x {columns} pixels are not {across} x {across} tiles")
    position, orientation, spacing = (
        np.array(_stated(floats_of(dataset, keyword, length), keyword))
        for keyword, length in (("ImagePositionPatient", 3), ("ImageOrientationPatient", 6), ("PixelSpacing", 2))
    )
    (step,) = _stated(floats_of(dataset, "SpacingBetweenSlices", 1), "SpacingBetweenSlices")
    normal = np.array(_stated(_vector(csa), "SliceNormalVector"))
    row, column = orientation[:3], orientation[3:]
    if abs(float(np.cross(row, column) @ normal)) < PERPENDICULAR:
        raise InputRefused(
            "is a Siemens mosaic whose SliceNormalVector contradicts its ImageOrientationPatient; export it as single "
            "slices"
        )
    if not step:
        raise InputRefused("is a Siemens mosaic whose slices lie 0 mm apart; export it as single slices")
    # The scanner states the corner of a slice as large as the mosaic with the centre of the first slice.
    right = (columns - columns // across) / 2 * spacing[1]
    down = (rows - rows // across) / 2 * spacing[0]
    first = position + row * right + column * down
    places = first + np.outer(np.arange(count), normal * abs(step))
    return Mosaic(count, across, tuple(tuple(place) for place in places.tolist()))


def cut_tiles(picture: NDArray[np.float32], mosaic: Mosaic) -> NDArray[np.float32]:
    """Cuts the picture of a mosaic into its slices.

    Args:
        picture: float32 [rows, columns], the whole mosaic.
        mosaic: How it is cut.

    Returns:
        float32 [slices, rows, columns], a new array; black tiles left over at the end are dropped.
    """
    rows, columns = (side // mosaic.across for side in picture.shape)
    tiles = picture.reshape(mosaic.across, rows, mosaic.across, columns).swapaxes(1, 2)
    return np.ascontiguousarray(tiles.reshape(-1, rows, columns)[: mosaic.count])


def _csa(dataset: Any) -> dict[str, tuple[str, ...]]:
    """The CSA header of the image; empty where there is none."""
    data = _private(dataset, 0x0029, CSA_HEADER, 0x10)
    return read_csa(data) if isinstance(data, bytes) else {}


def _count(dataset: Any, csa: dict[str, tuple[str, ...]]) -> int:
    """Number of slices: (0019,xx0A), or NumberOfImagesInMosaic of the CSA header."""
    stated = _private(dataset, 0x0019, MR_HEADER, 0x0A)
    if isinstance(stated, bytes):  # of an unknown representation: an unsigned short as it lies in the file
        stated = int.from_bytes(stated, "little") if len(stated) == 2 else None
    listed = next(iter(csa.get("NumberOfImagesInMosaic", ())), "")
    counts = {int(one) for one in (stated, listed) if one not in (None, "")}
    if len(counts) > 1:
        raise InputRefused(
            "is a Siemens mosaic whose header states two different numbers of slices; export it as single slices"
        )
    if not counts or min(counts) < 1:
        raise _incomplete("NumberOfImagesInMosaic")
    return counts.pop()


def _private(dataset: Any, group: int, creator: str, element: int) -> Any:
    try:
        return dataset.private_block(group, creator)[element].value
    except KeyError:
        return None


def _vector(csa: dict[str, tuple[str, ...]]) -> Vector | None:
    numbers = tuple(float(text) for text in csa.get("SliceNormalVector", ()))
    length = math.sqrt(sum(one * one for one in numbers)) if len(numbers) == 3 else 0.0
    return tuple(one / length for one in numbers) if 0 < length < math.inf else None


def _stated(value: Vector | None, name: str) -> Vector:
    if value is None:
        raise _incomplete(name)
    return value


def _incomplete(name: str) -> InputRefused:
    return InputRefused(
        f"is a Siemens mosaic that does not state {name}: how its slices lie is not known; export them as single slices"
    )
