"""Grey pixels as they lie uncompressed in a file: nothing is decoded, and nothing copied."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medtl.dicom.layout import EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN, PixelLayout
from medtl.dicom.plain import PlainElements
from medtl.dicom.values import value_of

UNCOMPRESSED = (IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN)
GREY = ("MONOCHROME1", "MONOCHROME2")
LONGEST_SIDE = (1 << 16) - 1
"""Most rows or columns, whose number has 16 bits. Source: DICOM PS3.3, C.7.6.3."""


def is_native(elements: PlainElements, layout: PixelLayout) -> bool:
    """Says whether pixels lie uncompressed in a file, as `native_frames` reads them; pydicom reads the others.

    Args:
        elements: The elements of the file.
        layout: The layout of its pixels.

    Raises:
        NotPlainError: What is stated of the pixels is for pydicom to interpret.
    """
    return (
        elements.pixels is not None
        and layout.transfer_syntax in UNCOMPRESSED
        and layout.photometric in GREY
        and max(layout.rows, layout.columns) <= LONGEST_SIDE
        # stated as they must be: pydicom refuses others
        and value_of(elements, "PhotometricInterpretation") == layout.photometric
        and value_of(elements, "SamplesPerPixel") == 1
        and value_of(elements, "PixelRepresentation") in (0, 1)
    )


def native_frames(elements: PlainElements, layout: PixelLayout, *, unused_bits: bool) -> NDArray[Any]:
    """Reads the stored values of pixels that `is_native`, all of which are there.

    Args:
        elements: The elements of the file.
        layout: The layout of its pixels.
        unused_bits: Whether bits above those that hold a value stay as they are.

    Returns:
        Whole numbers [frames, rows, columns] of the width and sign that the file states.
    """
    kind = "i" if value_of(elements, "PixelRepresentation") else "u"
    whole = np.frombuffer(elements.pixels or b"", f"<{kind}{layout.bits_allocated // 8}", layout.pixels)
    shift = 0 if unused_bits else layout.bits_allocated - layout.bits_stored
    values = np.right_shift(np.left_shift(whole, shift), shift) if shift else whole
    return values.reshape(layout.frames, layout.rows, layout.columns)
