"""Grey images that are stored as colour, told apart from maps in colour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medtl.dicom.layout import PixelLayout
from shared.errors import InputRefused

COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
"""Photometric interpretations with three samples a pixel that are read. Source: DICOM PS3.3, C.7.6.3.1.2."""
GREY_TOLERANCE = 0.01
"""Of the range, 2 of 255: room for codecs that round each channel for itself. Those here do not: 100 Cheng slices as
JPEG (three qualities, YBR and RGB), lossy JPEG 2000 and YBR came back with equal channels."""
CHANNELS = ("Red", "Green", "Blue")


@dataclass(frozen=True)
class Palette:
    """A colour for each stored value.

    Attributes:
        table: uint8 or uint16 [entries, 3].
        first: The stored value of the first entry; lower ones have its colour, and higher ones that of the last.
        bits: Bits of an entry.
    """

    table: NDArray[Any]
    first: int
    bits: int

    def colours(self, stored: NDArray[Any]) -> NDArray[Any]:
        """The colours [rows, columns, 3] of stored values [rows, columns]."""
        return self.table[np.clip(stored.astype(np.int64) - self.first, 0, len(self.table) - 1)]


def is_colour(layout: PixelLayout) -> bool:
    """Whether pixels have a colour, by themselves or by a palette."""
    return not layout.photometric.startswith("MONOCHROME")


def check_photometric(layout: PixelLayout) -> None:
    """Passes grey, palettes, RGB and YBR, with the samples a pixel that belong to them.

    Raises:
        InputRefused: It is another one, or the header contradicts itself.
    """
    expected = {"MONOCHROME1": 1, "MONOCHROME2": 1, "PALETTE COLOR": 1} | dict.fromkeys(COLOURS, 3)
    samples = expected.get(layout.photometric)
    if samples is None:
        raise InputRefused("has a photometric interpretation that is not read; export it in grey")
    if samples != layout.samples_per_pixel:
        raise InputRefused(
            f"contradicts itself: {layout.samples_per_pixel} samples a pixel where {layout.photometric} has {samples}"
        )


def read_palette(dataset: Any) -> Palette:
    """The palette of an image. Source: DICOM PS3.3, C.7.6.3.1.5 and C.7.6.3.1.6.

    Raises:
        InputRefused: It has none, a segmented one, or a damaged one.
    """
    if "SegmentedRedPaletteColorLookupTableData" in dataset:
        raise InputRefused("has a segmented palette, which is not read; export it in grey")
    if any(
        f"{name}PaletteColorLookupTable{part}" not in dataset for name in CHANNELS for part in ("Descriptor", "Data")
    ):
        raise InputRefused("lacks the palette that gives its colours")
    descriptors = {tuple(dataset[f"{name}PaletteColorLookupTableDescriptor"].value) for name in CHANNELS}
    if len(descriptors) != 1:
        raise InputRefused("has a palette whose channels differ in length")
    entries, first, bits = descriptors.pop()
    entries = entries or 1 << 16  # which does not fit into the 16 bits of the descriptor
    if bits not in (8, 16) or not 0 < entries <= 1 << 16:
        raise InputRefused(f"has a damaged palette: {entries} entries of {bits} bits")
    order = "<" if dataset.original_encoding[1] else ">"
    channels = []
    for name in CHANNELS:
        data = dataset[f"{name}PaletteColorLookupTableData"].value
        # Entries of 8 bits are written one or two bytes each.
        wide = len(data) >= 2 * entries
        if len(data) < entries or (bits == 16 and not wide):
            raise InputRefused("has a damaged palette: entries are missing")
        channels.append(np.frombuffer(data, f"{order}u2" if wide else "u1", entries))
    return Palette(np.stack(channels, axis=1), first, bits)


def as_grey(colours: NDArray[Any], bits_stored: int, palette: Palette | None) -> NDArray[np.float32]:
    """One frame in grey.

    Args:
        colours: Whole numbers [rows, columns, 3].
        bits_stored: Bits of a sample.
        palette: What gave the colours, if anything.

    Raises:
        InputRefused: Red, green and blue differ, so that it is no picture of the signal.
    """
    largest = 2.0 ** (bits_stored if palette is None else palette.bits) - 1.0
    low, high = colours.min(axis=2), colours.max(axis=2)
    if (high - low).max() > GREY_TOLERANCE * largest:
        raise InputRefused("is a derived map in colour; only grey MR images are judged")
    return colours[..., 1].astype(np.float32)
