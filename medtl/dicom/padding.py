"""Pixels that only fill a frame up: they were never measured, and must not count as signal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medtl.dicom.layout import PixelLayout
from medtl.dicom.values import text_of, value_of
from shared.errors import InputRefused


@dataclass(frozen=True)
class Padding:
    """The stored values that stand for padding, in a range that includes both ends.

    Attributes:
        low: The lowest of them.
        high: The highest of them.
        signed: Whether pixels are stored with a sign.
        unused_bits: Bits of a pixel above those that hold its value.
    """

    low: int
    high: int
    signed: bool
    unused_bits: int

    def split(self, stored: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Separates padding from values.

        Args:
            stored: Whole numbers of any shape as they lie in the file, with whatever stands in their unused bits: some
                writers put padding there, beyond all values.

        Returns:
            The values without their unused bits, and a mask of the same shape, true where a pixel is padding.
        """
        width = 8 * stored.dtype.itemsize
        kind = np.dtype(f"{'i' if self.signed else 'u'}{stored.dtype.itemsize}")
        whole = stored.astype(stored.dtype.newbyteorder("=")).view(kind)
        shift = min(self.unused_bits, width - 1)
        values = np.right_shift(np.left_shift(whole, shift), shift)
        return values, self._covers(whole) | self._covers(values)

    def _covers(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        return np.asarray((values >= self.low) & (values <= self.high))


def read_padding(dataset: Any, layout: PixelLayout) -> Padding | None:
    """Reads which stored values a grey image has for padding. Source: DICOM PS3.3, C.7.5.1.1.2 (Pixel Padding Value).

    Args:
        dataset: A pydicom dataset.
        layout: The layout of its pixels.

    Returns:
        The range from Pixel Padding Value to Pixel Padding Range Limit, whichever is the lower; None where the image
        states no padding, and for colours, which have none.

    Raises:
        InputRefused: One of both is no whole number.
    """
    if not layout.photometric.startswith("MONOCHROME"):
        return None
    signed = text_of(dataset, "PixelRepresentation") == "1"
    value = _stored_value(dataset, "PixelPaddingValue", layout.bits_allocated, signed)
    if value is None:
        return None
    limit = _stored_value(dataset, "PixelPaddingRangeLimit", layout.bits_allocated, signed)
    low, high = sorted((value, value if limit is None else limit))
    return Padding(low, high, signed, layout.bits_allocated - layout.bits_stored)


def fill_padding(frames: NDArray[np.float32]) -> None:
    """Gives padding the lowest value of its slice, that of the background.

    Args:
        frames: float32 [slices, rows, columns], NaN where a pixel is padding; changed in place. A slice that is nothing
            but padding becomes 0 throughout.
    """
    for frame in frames:
        padded = np.isnan(frame)
        if padded.any():
            frame[:] = as_background(frame, padded)


def as_background(pixels: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Gives masked pixels the lowest value of the others, that of the background; 0 where there are no others.

    Args:
        pixels: float32 of any shape.
        mask: bool of the same shape, true where a pixel was not measured.

    Returns:
        float32 of the same shape, a new array.
    """
    lowest = np.float32(0) if mask.all() else pixels[~mask].min()
    return np.where(mask, lowest, pixels)


def _stored_value(dataset: Any, keyword: str, bits_allocated: int, signed: bool) -> int | None:
    """The value as pixels hold it: writers state -2000 also as 63536, or the reverse, against the sign of pixels."""
    value = value_of(dataset, keyword)
    if isinstance(value, bytes) and value:  # of an unknown representation
        value = int.from_bytes(value, "little" if dataset.original_encoding[1] else "big")
    if value is None or value in ("", b""):
        return None
    if not isinstance(value, int | float) or not float(value).is_integer():
        raise InputRefused(f"has a damaged {keyword}")
    modulus = 1 << bits_allocated
    stored = int(value) % modulus
    return stored - modulus if signed and 2 * stored >= modulus else stored
