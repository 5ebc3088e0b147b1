"""Reading NIfTI volumes, within bounds: their voxels, and how they lie in space."""

from __future__ import annotations

import gzip
import io
import math
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medtl.dicom.bounds import MAX_PIXELS
from medtl.dicom.colour import IN_DICOM, check_grey
from medtl.dicom.geometry import ImagePlane
from medtl.dicom.view import AXES, View, nearest_plane, view_of
from shared.errors import DataError, InputRefused
from shared.io.archives import MAX_FILE_BYTES, most_unpacked
from shared.io.foreign import contained
from shared.samples import Position

VOLUMES = (".nii", ".nii.gz")
HEADER_BYTES = 1 << 20
"""Bytes that hold a NIfTI header (540 bytes in NIfTI-2) with any extension that is written in practice."""
NIFTI2_SIZES = ((540).to_bytes(4, "little"), (540).to_bytes(4, "big"))
"""First bytes of a NIfTI-2 file, in either byte order: the size of its header. Source: nifti2.h."""
THICKER = 1.19
"""Ratio from which the largest voxel spacing is that of slices: in-plane spacings of one scan differ by less. Scans of
1.2 mm slices with pixels of 1 mm are common, and lie above it however a header rounds."""
LPS_OF_RAS = np.diag([-1.0, -1.0, 1.0])
"""NIfTI's axes run to the right, front and head, those of DICOM to the left, back and head."""
SINGULAR = 1e-9
"""Volume of a voxel in mm3 below which its axes lie in one plane: the smallest voxels in use are above 1e-3."""
CONTRADICTORY = 0.7
"""Cosine of the angle (45 degrees) from which two directions are those of different turns. Registration to a template
turns a head by less."""
OTHER_LENGTH = 1.5
"""Ratio of two voxel spacings from which one of them is wrong: heads differ from a template by less."""
COLOUR_CHANNELS = ("R", "G", "B")
"""Names of the channels of a voxel in colour; a fourth one, its opacity, says nothing of a signal. Source: nifti1.h."""
LARGEST_COLOUR = 255.0
HEADER_LOGGER = "nibabel.global"
"""Quotes damaged values of a header, which may be a name."""
MILLIMETRES = {"meter": 1000.0, "micron": 0.001}

Pixels = NDArray[np.float32]


@dataclass(frozen=True)
class Placement:
    """How the slices of a volume lie in its voxel array and in space.

    Attributes:
        axis: Axis of the array along which the slices follow each other; the other two are rows and columns.
        reversed: Whether they follow each other against the order in the array.
        count: Number of slices.
        view: The view in which the slices are judged.
        spacing_mm: Distance of neighbouring slices, above 0.
        notes: Sentences about what the file leaves open.
    """

    axis: int
    reversed: bool
    count: int
    view: View
    spacing_mm: float
    notes: tuple[str, ...] = ()

    def index(self, number: int) -> int:
        """Returns the index along `axis` of the slice that is `number` places, from 0, after the first one judged."""
        return self.count - 1 - number if self.reversed else number

    @property
    def positions(self) -> tuple[Position, ...]:
        """Places of the slices along their normal, in mm from the first one judged."""
        return tuple(Position(number * self.spacing_mm) for number in range(self.count))


def is_volume(name: str) -> bool:
    """Says whether a file is a NIfTI volume, by its name alone: `.nii` or `.nii.gz`, in any case."""
    return name.lower().endswith(VOLUMES)


def read_placement(data: bytes) -> Placement:
    """Reads from its header alone how the slices of a NIfTI volume lie.

    Slices are cut in the plane that was acquired: across a dimension of one voxel; else across the largest voxel
    spacing. Where none is much the largest, a note says that the plane is not stated. Slices are then cut across the
    dimension that is unlike two that are alike in number and spacing, as rows and columns mostly are; else across that
    of the fewest voxels, and of several such ones in the axial, then the coronal plane. Neither the order of the voxels
    counts nor the slice dimension that a header names: converters that reorder the voxels leave it as it was
    (docs/lab-log.md).

    Args:
        data: The bytes of a `.nii` or `.nii.gz` file.

    Raises:
        DataError: The file is no NIfTI volume of three dimensions, is damaged or too large, or does not say how it lies
            in space.
    """
    with _contained():
        return _placement(_nifti(_unpacked(data, HEADER_BYTES)))


def read_volume(data: bytes) -> tuple[Pixels, Placement]:
    """Decodes a NIfTI volume into slices in the plane that was acquired, as they are stored.

    Args:
        data: The bytes of a `.nii` or `.nii.gz` file.

    Returns:
        float32 [slices, stored rows, stored columns], scaled by slope and intercept, in the order of their view (axial
        ones from the feet up); and how they lie. `Placement.view` brings each into the view in which it is judged.

    Raises:
        DataError: The volume is damaged, too large, in false colours, has not three dimensions, or does not say how it
            lies in space.
    """
    with _contained():
        image = _nifti(_unpacked(data, MAX_FILE_BYTES))
        placement = _placement(image)
        voxels = _grey(image).reshape(_shape(image))
    slices = np.moveaxis(voxels, placement.axis, 0)
    return slices[:: -1 if placement.reversed else 1], placement


def _grey(image: Any) -> Pixels:
    """The voxels of a volume; of one in red, green and blue the grey that they are."""
    kind = image.get_data_dtype()
    if np.issubdtype(kind, np.complexfloating):
        raise DataError("the volume has complex values; give the magnitude")
    if not kind.names:
        return np.asarray(image.dataobj, dtype=np.float32)
    stored = np.asanyarray(image.dataobj)
    colours = np.stack([stored[channel] for channel in COLOUR_CHANNELS], axis=-1)
    try:
        check_grey(colours.reshape(colours.shape[0], -1, len(COLOUR_CHANNELS)), LARGEST_COLOUR, IN_DICOM)
    except InputRefused as error:
        raise DataError(f"the volume {error}") from None
    return np.asarray(colours[..., 1], dtype=np.float32)


def _placement(image: Any) -> Placement:
    shape, affine = _shape(image), _affine(image)
    axis, stated = _slice_axis(shape, affine)
    down, along = (one for one in range(3) if one != axis)
    directions = affine / np.linalg.norm(affine, axis=0)
    plane = ImagePlane(
        orientation=(*directions[:, along].tolist(), *directions[:, down].tolist()),
        spacing_mm=(float(np.linalg.norm(affine[:, down])), float(np.linalg.norm(affine[:, along]))),
    )
    try:
        view = view_of([plane])
    except InputRefused as error:
        raise DataError(f"the volume {error}") from None
    backwards = view.order([(0.0, 0.0, 0.0), tuple(affine[:, axis].tolist())]) == [1, 0]
    guessed = f"the volume does not say in which plane it was acquired: taken for {view.plane and view.plane.name}"
    spacing = float(np.linalg.norm(affine[:, axis]))
    return Placement(axis, backwards, shape[axis], view, spacing, () if stated else (guessed,))


def _slice_axis(shape: tuple[int, ...], affine: NDArray[np.float64]) -> tuple[int, bool]:
    """The axis along which slices were acquired, and whether the header tells."""
    if shape.count(1) == 1:
        return shape.index(1), True
    spacing = np.linalg.norm(affine, axis=0)
    thinner, thickest = np.sort(spacing)[1:]
    if thickest >= THICKER * thinner:
        return int(spacing.argmax()), True
    alike = [
        axis
        for axis, (one, other) in enumerate(((1, 2), (0, 2), (0, 1)))
        if shape[one] == shape[other] != shape[axis] and math.isclose(spacing[one], spacing[other], rel_tol=0.01)
    ]
    if len(alike) == 1:
        return alike[0], False
    planes = [list(AXES).index(nearest_plane(direction)) for direction in (affine / spacing).T]
    return min(range(3), key=lambda axis: (shape[axis], planes[axis])), False


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
    except EOFError:
        raise DataError("the volume breaks off, as a download that did not end; copy or download it again") from None


def _contained() -> AbstractContextManager[None]:
    """The boundary around nibabel, numpy and zlib."""
    return contained(lambda words: DataError(f"the volume {words}; copy or download it again"), HEADER_LOGGER)


def _nifti(data: bytes) -> Any:
    import nibabel

    kind = nibabel.Nifti2Image if data[:4] in NIFTI2_SIZES else nibabel.Nifti1Image
    return kind.from_bytes(data)


def _shape(image: Any) -> tuple[int, ...]:
    shape = tuple(image.shape)
    spatial = shape[:3] if set(shape[3:]) <= {1} else shape
    if len(spatial) != 3 or 0 in spatial:
        raise DataError(f"the volume has the shape {shape}; give one with three dimensions")
    if math.prod(spatial) > MAX_PIXELS:
        raise DataError(f"the volume has {math.prod(spatial)} voxels; at most {MAX_PIXELS} are read")
    return spatial


def _affine(image: Any) -> NDArray[np.float64]:
    """Directions and spacing of the voxel array, float64 [3, 3]: one column for each of its axes, in mm (LPS)."""
    header = image.header
    stated = {name: affine for name in ("sform", "qform") if (affine := _stated(header, name)) is not None}
    if not stated:
        raise DataError(
            "the volume does not say how it lies in space (its qform and sform codes are 0); convert it again from "
            "DICOM, or set the code of the transformation that is right"
        )
    if len(stated) == 2 and _apart(stated["sform"], stated["qform"]):
        raise DataError(
            "the volume says in two ways how it lies in space, and they contradict each other (sform and qform); set "
            "the code of the wrong one to 0"
        )
    return next(iter(stated.values()))


def _stated(header: Any, name: str) -> NDArray[np.float64] | None:
    """One of the two transformations of a header; None where its code says that it does not hold."""
    affine, code = getattr(header, f"get_{name}")(coded=True)
    unit = header.get_xyzt_units()[0]
    if not code or affine is None:
        return None
    columns = LPS_OF_RAS @ np.asarray(affine, dtype=np.float64)[:3, :3]
    if not np.isfinite(columns).all() or abs(float(np.linalg.det(columns))) < SINGULAR:
        raise DataError(f"the volume does not say how it lies in space (its {name} is singular)")
    return columns * MILLIMETRES.get(unit, 1.0)


def _apart(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    """Whether an axis of the voxel array has quite another direction or length by one than by the other."""
    lengths = np.linalg.norm(one, axis=0), np.linalg.norm(other, axis=0)
    cosines = (one * other).sum(axis=0) / (lengths[0] * lengths[1])
    factors = np.maximum(lengths[0] / lengths[1], lengths[1] / lengths[0])
    return bool((cosines < CONTRADICTORY).any() or (factors > OTHER_LENGTH).any())
