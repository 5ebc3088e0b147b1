"""Reading the raw pixels of NIfTI volumes, within bounds."""

from __future__ import annotations

import gzip
import io
import math
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medtl.dicom.bounds import MAX_PIXELS
from shared.errors import DataError
from shared.io.archives import MAX_FILE_BYTES, most_unpacked

VOLUMES = (".nii", ".nii.gz")
HEADER_BYTES = 1 << 20
"""Bytes that hold a NIfTI header (540 bytes in NIfTI-2) with any extension that is written in practice."""

Pixels = NDArray[np.float32]


def is_volume(name: str) -> bool:
    """Says whether a file is a NIfTI volume, by its name alone: `.nii` or `.nii.gz`, in any case."""
    return name.lower().endswith(VOLUMES)


def volume_shape(data: bytes) -> tuple[int, int, int]:
    """Reads the shape of a NIfTI volume from its header alone.

    Args:
        data: The bytes of a `.nii` or `.nii.gz` file.

    Returns:
        Rows, columns and number of slices, as `read_volume` returns them.

    Raises:
        DataError: The file is no NIfTI volume of three dimensions, is damaged or too large.
    """
    image = _nifti(_unpacked(data, HEADER_BYTES))
    shape, axes = _shape(image), _orientation(image)[:, 0].astype(int)
    x, y, z = (shape[int(np.flatnonzero(axes == axis)[0])] for axis in range(3))
    return y, x, z


def read_volume(data: bytes) -> Pixels:
    """Decodes a NIfTI volume into axial slices as a radiologist sees them: nose up, patient's right on the left.

    Args:
        data: The bytes of a `.nii` or `.nii.gz` file.

    Returns:
        float32 [slices, rows, columns], from the feet up, scaled by slope and intercept.

    Raises:
        DataError: The volume is damaged, too large, or has not three dimensions.
    """
    import nibabel

    image = _nifti(_unpacked(data, MAX_FILE_BYTES))
    shape, orientation = _shape(image), _orientation(image)
    try:
        voxels = np.asarray(image.dataobj, dtype=np.float32).reshape(shape)
    except (OSError, ValueError, EOFError, MemoryError, zlib.error) as error:
        raise DataError(f"the volume is damaged ({type(error).__name__})") from None
    voxels = nibabel.apply_orientation(voxels, orientation)
    # Canonical axes run to the patient's right, front and head; rows of a picture run to the back, columns to the left.
    return np.ascontiguousarray(voxels[::-1, ::-1, :].transpose(2, 1, 0))


def _unpacked(data: bytes, limit: int) -> bytes:
    if not data.startswith(b"\x1f\x8b"):
        return data[:limit]
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            most = min(limit, most_unpacked(len(data)))
            unpacked = stream.read(most)
            if most < limit and stream.read(1):
                raise DataError(f"the volume unpacks to more than {most} bytes, as no image of its size does")
            return unpacked
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"the volume is damaged ({type(error).__name__})") from None


def _nifti(data: bytes) -> Any:
    import nibabel
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError
    from nibabel.wrapstruct import WrapStructError

    kind = nibabel.Nifti2Image if data[:2] in (b"\x1c\x02", b"\x00\x00") else nibabel.Nifti1Image
    try:
        return kind.from_bytes(data)
    except (ImageFileError, HeaderDataError, WrapStructError, OSError, ValueError, EOFError) as error:
        raise DataError(f"the volume is damaged or no NIfTI ({type(error).__name__})") from None


def _shape(image: Any) -> tuple[int, ...]:
    shape = tuple(image.shape)
    spatial = shape[:3] if shape[3:] == (1,) else shape
    if len(spatial) != 3 or 0 in spatial:
        raise DataError(f"the volume has the shape {shape}; give one with three dimensions")
    if math.prod(spatial) > MAX_PIXELS:
        raise DataError(f"the volume has {math.prod(spatial)} voxels; at most {MAX_PIXELS} are read")
    return spatial


def _orientation(image: Any) -> NDArray[np.float64]:
    import nibabel

    orientation = np.asarray(nibabel.io_orientation(image.affine))
    if not np.isfinite(orientation).all():
        raise DataError("the volume does not say how it lies in space (its affine is singular)")
    return orientation
