"""How the pixels of a DICOM object are stored, as its header states it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from medtl.dicom.mosaic import Mosaic, is_mosaic, read_mosaic
from medtl.dicom.values import integer_of, text_of, uid_name
from shared.errors import InputRefused

MAX_FRAMES = 1 << 16
"""Frames of one object, above the longest functional series (some thousands of volumes come as files of their own)."""
IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
EXPLICIT_BIG_ENDIAN = "1.2.840.10008.1.2.2"
NATIVE = {IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN}
"""Transfer syntaxes in which pixels are not compressed, so that no codec is needed."""


@dataclass(frozen=True)
class PixelLayout:
    """The layout of the stored pixels of one DICOM object. Source: DICOM PS3.3, C.7.6.3 (Image Pixel).

    Attributes:
        transfer_syntax: Transfer Syntax UID; deduced from the encoding where the file has no meta header.
        rows: Rows of a frame; 0 where the object has no image.
        columns: Columns of a frame; 0 where the object has no image.
        frames: Number of frames, at least 1.
        bits_allocated: Bits that a sample takes in the file.
        bits_stored: Bits of these that hold the value.
        samples_per_pixel: 1 for grey, 3 for colour.
        photometric: Photometric Interpretation, upper case.
        mosaic: How a Siemens mosaic is cut into slices; None where it is none, or cannot be cut.
        mosaic_fault: Why a mosaic cannot be cut; empty where it can, and where it is none.
    """

    transfer_syntax: str
    rows: int
    columns: int
    frames: int
    bits_allocated: int
    bits_stored: int
    samples_per_pixel: int
    photometric: str
    mosaic: Mosaic | None
    mosaic_fault: str

    @property
    def frame_pixels(self) -> int:
        """Number of pixels of one frame."""
        return self.rows * self.columns

    @property
    def pixels(self) -> int:
        """Number of pixels of all frames."""
        return self.frame_pixels * self.frames

    @property
    def slices(self) -> int:
        """Number of slices that the object is decoded to: its frames, or the tiles of a mosaic."""
        return self.frames if self.mosaic is None else self.mosaic.count

    @property
    def is_native(self) -> bool:
        """Whether the pixels are not compressed."""
        return self.transfer_syntax in NATIVE

    @property
    def transfer_syntax_name(self) -> str:
        """Name of the transfer syntax for messages, "an unknown transfer syntax" where DICOM has none."""
        return uid_name(self.transfer_syntax) or "an unknown transfer syntax"


def read_layout(dataset: Any, image_type: tuple[str, ...]) -> PixelLayout:
    """Reads how the pixels of a DICOM object are stored, without touching them.

    Args:
        dataset: A pydicom dataset.
        image_type: Values of its Image Type, upper case: they name a mosaic.

    Returns:
        The layout; an object without an image has 0 rows and columns.

    Raises:
        InputRefused: The number of frames is out of range, or an element is damaged.
    """
    frames = integer_of(dataset, "NumberOfFrames") or 1
    if not 1 <= frames <= MAX_FRAMES:
        # not the number itself: in a damaged file it may be one that stands for a person
        raise InputRefused(f"states a number of frames outside of 1 to {MAX_FRAMES}")
    rows, columns = (integer_of(dataset, keyword) or 0 for keyword in ("Rows", "Columns"))
    if not rows or not columns:
        rows = columns = 0
    # Enhanced objects keep the word for what the scanner once joined; their frames are slices.
    mosaic, fault = _mosaic(dataset, rows, columns) if is_mosaic(image_type) and frames == 1 else (None, "")
    return PixelLayout(
        transfer_syntax=_transfer_syntax(dataset),
        rows=rows,
        columns=columns,
        frames=frames,
        bits_allocated=integer_of(dataset, "BitsAllocated") or 0,
        bits_stored=integer_of(dataset, "BitsStored") or 0,
        samples_per_pixel=integer_of(dataset, "SamplesPerPixel") or 1,
        photometric=text_of(dataset, "PhotometricInterpretation").upper(),
        mosaic=mosaic,
        mosaic_fault=fault,
    )


def _mosaic(dataset: Any, rows: int, columns: int) -> tuple[Mosaic | None, str]:
    """Reads how a mosaic is cut, or why it cannot be: whether that matters is for the rules to say."""
    if not rows:
        return None, ""
    try:
        return read_mosaic(dataset, rows, columns), ""
    except InputRefused as error:
        return None, str(error)


def _transfer_syntax(dataset: Any) -> str:
    if stated := text_of(getattr(dataset, "file_meta", {}), "TransferSyntaxUID"):
        return stated
    implicit, little = dataset.original_encoding
    return IMPLICIT_LITTLE_ENDIAN if implicit else EXPLICIT_LITTLE_ENDIAN if little else EXPLICIT_BIG_ENDIAN
