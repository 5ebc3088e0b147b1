"""One head, stored in every legal way: turned in its plane, in another plane, as single slices, Enhanced MR or NIfTI.

Pixels and geometry are always turned together, so that each file shows the same head in the same place.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedMRImageStorage, generate_uid

Turn = tuple[bool, bool, bool]
TURNS: tuple[Turn, ...] = tuple((a, b, c) for a, b, c in itertools.product((False, True), repeat=3))
"""Rows and columns exchanged; order of the rows reversed; order of the columns reversed."""
PLANES = {
    "axial": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "coronal": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    "sagittal": ((0, 1, 0), (0, 0, -1), (-1, 0, 0)),
}
"""Directions (LPS) of rows, columns and slices as a radiologist sees them."""
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])


@dataclass(frozen=True)
class StoredHead:
    """A stack of slices with its place in space.

    Attributes:
        voxels: [slices, rows, columns], as stored.
        along: Step to the next column in mm, float64 [3] (LPS).
        down: Step to the next row.
        up: Step to the next slice.
        corner: Centre of the first pixel of the first slice.
        tags: Header of a slice, for what is not geometry.
    """

    voxels: NDArray[Any]
    along: NDArray[np.float64]
    down: NDArray[np.float64]
    up: NDArray[np.float64]
    corner: NDArray[np.float64]
    tags: Dataset

    @property
    def orientation(self) -> list[float]:
        """Image Orientation (Patient)."""
        return [*_unit(self.along), *_unit(self.down)]

    @property
    def spacing_mm(self) -> list[float]:
        """Pixel Spacing: of rows, then of columns."""
        return [float(np.linalg.norm(self.down)), float(np.linalg.norm(self.along))]


def read_head(files: Sequence[Path]) -> StoredHead:
    """Reads a series of single slices of one orientation, with its slices from one end to the other.

    Args:
        files: At least two DICOM files.
    """
    slices = [pydicom.dcmread(path) for path in files]
    cosines = np.array(slices[0].ImageOrientationPatient, dtype=np.float64)
    normal = np.cross(cosines[:3], cosines[3:])
    slices.sort(key=lambda one: float(np.dot(normal, one.ImagePositionPatient)))
    places = np.array([one.ImagePositionPatient for one in slices], dtype=np.float64)
    down, along = (float(one) for one in slices[0].PixelSpacing)
    up = (places[-1] - places[0]) / (len(slices) - 1)
    voxels = np.stack([one.pixel_array for one in slices])
    return StoredHead(voxels, cosines[:3] * along, cosines[3:] * down, up, places[0], slices[0])


def in_plane(head: StoredHead, plane: str) -> StoredHead:
    """Declares slices to have been acquired in a plane, upright as a radiologist sees them.

    Args:
        head: An axial head whose rows run to the left and columns to the back.
        plane: A key of `PLANES`.
    """
    rows, columns, slices = (np.array(direction, dtype=np.float64) for direction in PLANES[plane])
    down, along = head.spacing_mm
    step = float(np.linalg.norm(head.up))
    return replace(head, along=rows * along, down=columns * down, up=slices * step)


def turned(head: StoredHead, turn: Turn) -> StoredHead:
    """Stores the same head turned in the plane of its slices.

    Args:
        head: The head.
        turn: One of `TURNS`.
    """
    exchanged, rows_reversed, columns_reversed = turn
    if exchanged:
        head = replace(head, voxels=head.voxels.swapaxes(1, 2), along=head.down, down=head.along)
    if rows_reversed:
        corner = head.corner + head.down * (head.voxels.shape[1] - 1)
        head = replace(head, voxels=head.voxels[:, ::-1], down=-head.down, corner=corner)
    if columns_reversed:
        corner = head.corner + head.along * (head.voxels.shape[2] - 1)
        head = replace(head, voxels=head.voxels[:, :, ::-1], along=-head.along, corner=corner)
    return head


def coarser(head: StoredHead, *, rows: int = 1, columns: int = 1) -> StoredHead:
    """Stores means of several rows or columns as one: pixels that are not square.

    Args:
        head: The head.
        rows: How many rows become one.
        columns: How many columns become one.
    """
    count, height, width = head.voxels.shape
    kept = head.voxels[:, : height // rows * rows, : width // columns * columns]
    blocks = kept.reshape(count, height // rows, rows, width // columns, columns)
    voxels = blocks.mean(axis=(2, 4)).round().astype(head.voxels.dtype)
    corner = head.corner + head.down * (rows - 1) / 2 + head.along * (columns - 1) / 2
    return replace(head, voxels=voxels, down=head.down * rows, along=head.along * columns, corner=corner)


def write_slices(head: StoredHead, folder: Path) -> Path:
    """Writes single DICOM slices into a folder, and returns it."""
    folder.mkdir(parents=True)
    series = generate_uid()
    for index, pixels in enumerate(head.voxels):
        one = _plain(head)
        one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        one.SeriesInstanceUID, one.InstanceNumber = series, index + 1
        one.Rows, one.Columns = pixels.shape
        one.ImagePositionPatient = _decimals(head.corner + index * head.up)
        one.ImageOrientationPatient = _decimals(head.orientation)
        one.PixelSpacing = _decimals(head.spacing_mm)
        one.PixelData = np.ascontiguousarray(pixels).tobytes()
        one.save_as(folder / f"IM{index:04d}.dcm", enforce_file_format=True)
    return folder


def write_enhanced(head: StoredHead, path: Path) -> Path:
    """Writes one Enhanced MR object, and returns its path."""
    one = _plain(head)
    one.SOPClassUID = one.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    one.SeriesInstanceUID, one.InstanceNumber = generate_uid(), 1
    one.NumberOfFrames, one.Rows, one.Columns = head.voxels.shape
    one.PixelData = np.ascontiguousarray(head.voxels).tobytes()
    plane, measures, shared_group = Dataset(), Dataset(), Dataset()
    plane.ImageOrientationPatient, measures.PixelSpacing = _decimals(head.orientation), _decimals(head.spacing_mm)
    shared_group.PlaneOrientationSequence, shared_group.PixelMeasuresSequence = [plane], [measures]
    one.SharedFunctionalGroupsSequence = [shared_group]
    one.PerFrameFunctionalGroupsSequence = [_frame(head, index) for index in range(len(head.voxels))]
    one.save_as(path, enforce_file_format=True)
    return path


def write_nifti(head: StoredHead, path: Path, order: tuple[int, int, int] = (2, 1, 0)) -> Path:
    """Writes a NIfTI volume, and returns its path.

    Args:
        head: The head.
        path: A name that ends in `.nii` or `.nii.gz`.
        order: Axes of `voxels` in the order of the file: as converters write them, columns, rows, slices.
    """
    steps = np.stack([(head.up, head.down, head.along)[axis] for axis in order], axis=1)
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = LPS_TO_RAS @ steps, LPS_TO_RAS @ head.corner
    voxels = head.voxels.transpose(order)
    image = nibabel.Nifti1Image(voxels.astype(np.int32 if voxels.max() > np.iinfo(np.int16).max else np.int16), affine)
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    nibabel.save(image, path)
    return path


def _frame(head: StoredHead, index: int) -> Dataset:
    group, place, values = Dataset(), Dataset(), Dataset()
    place.ImagePositionPatient = _decimals(head.corner + index * head.up)
    values.RescaleSlope, values.RescaleIntercept, values.RescaleType = "1", "0", "US"
    group.PlanePositionSequence, group.PixelValueTransformationSequence = [place], [values]
    return group


def _plain(head: StoredHead) -> Any:
    """A copy of the header without geometry; its pixels are not compressed."""
    with tempfile.SpooledTemporaryFile() as held:
        head.tags.save_as(held, enforce_file_format=True)
        held.seek(0)
        copied = pydicom.dcmread(held)
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        if keyword in copied:
            delattr(copied, keyword)
    return copied


def _unit(vector: NDArray[np.float64]) -> list[float]:
    return [float(one) for one in vector / np.linalg.norm(vector)]


def _decimals(values: Sequence[float] | NDArray[np.float64]) -> list[float]:
    """Numbers as a decimal string can hold them, of at most 16 characters."""
    return [round(float(value), 6) + 0.0 for value in values]
