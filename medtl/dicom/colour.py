"""Grey images that are stored as colour, and colour maps, which are refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medtl.dicom.layout import PixelLayout
from shared.errors import InputRefused

COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
"""Photometric interpretations with three samples a pixel that are read. Source: DICOM PS3.3, C.7.6.3.1.2."""
CHANNELS = ("Red", "Green", "Blue")


@dataclass(frozen=True)
class GreyTolerance:
    """How far an image may be from grey and still count as grey.

    Attributes:
        difference: Largest difference of the channels of a grey pixel, as a share of the range.
        share: Share of the visible pixels that may differ more. Visible is what is brighter than `difference`: nothing
            darker can differ more, however much of the picture is black.
        marks: Share of all pixels that may differ more in any case, as letters on a nearly empty slice do.
    """

    difference: float
    share: float
    marks: float


IN_DICOM = GreyTolerance(difference=0.01, share=0.0, marks=0.0)
"""Room for codecs that round each channel for itself (2 of 255). GDCM's do not: 100 Cheng slices as JPEG (three
qualities, YBR and RGB), lossy JPEG 2000 and YBR came back with equal channels."""
IN_PICTURES = GreyTolerance(difference=0.2, share=0.1, marks=0.01)
"""Room for JPEG, photographed screens and marks. Of 2,800 pictures of four real collections one (with a web
page's blue band) has 5 % of its visible pixels beyond this difference, all others less than 0.5 %; false colours have
20 % or more, also where the head fills a small part of the picture."""


BAND = 256
"""Rows that are compared at once: copies of a whole photograph in colour would fill the memory."""


@dataclass(frozen=True)
class Palette:
    """The palette of an image: a colour for each stored value.

    Attributes:
        table: uint8 or uint16 [entries, 3], red, green and blue.
        first: The stored value of the first entry. Lower values have its colour, those past the last entry that of the
            last.
        bits: Bits of an entry, 8 or 16.
    """

    table: NDArray[Any]
    first: int
    bits: int

    def colours(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Looks up the colours of stored values.

        Args:
            stored: Whole numbers [rows, columns]; any value has a colour.

        Returns:
            uint8 or uint16 [rows, columns, 3]: red, green and blue.
        """
        return self.table[np.clip(stored.astype(np.int64) - self.first, 0, len(self.table) - 1)]


def is_colour(layout: PixelLayout) -> bool:
    """Says whether pixels are stored as colours, by three samples each or by a palette.

    Args:
        layout: The layout of the pixels that the header states.
    """
    return not layout.photometric.startswith("MONOCHROME")


def check_photometric(layout: PixelLayout) -> None:
    """Checks that the photometric interpretation is one that is read: grey, palette, RGB or YBR.

    Args:
        layout: The layout of the pixels that the header states.

    Raises:
        InputRefused: It is another one, or has not the samples a pixel that the header states.
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
    """Reads the palette of an image. Source: DICOM PS3.3, C.7.6.3.1.5 and C.7.6.3.1.6.

    Args:
        dataset: A pydicom dataset.

    Returns:
        The palette, with one colour for each entry.

    Raises:
        InputRefused: The image has no palette, a segmented one, or a damaged one.
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


def check_grey(colours: NDArray[Any], largest: float, tolerance: GreyTolerance) -> None:
    """Checks that an image in red, green and blue is grey, so that its brightness is the signal.

    Args:
        colours: [rows, columns, 3], no negative values.
        largest: The largest value that a channel can have.
        tolerance: How far from grey the image may be.

    Raises:
        InputRefused: It is in colour: in false colours brightness is not the signal.
    """
    least, coloured, seen = tolerance.difference * largest, 0, 0
    for top in range(0, len(colours), BAND):
        red, green, blue = np.moveaxis(colours[top : top + BAND], 2, 0)
        brightest = np.maximum(np.maximum(red, green), blue)
        coloured += int((brightest - np.minimum(np.minimum(red, green), blue) > least).sum())
        seen += int((brightest > least).sum())
    if coloured > max(tolerance.share * seen, tolerance.marks * colours.shape[0] * colours.shape[1]):
        raise InputRefused("is a derived map in colour; only grey MR images are judged")


def as_grey(colours: NDArray[Any], bits_stored: int, palette: Palette | None) -> NDArray[np.float32]:
    """Brings a frame whose red, green and blue are equal back to grey.

    Args:
        colours: Whole numbers [rows, columns, 3].
        bits_stored: Bits of a sample in the file.
        palette: The palette that gave the colours; None where pixels have three samples.

    Returns:
        float32 [rows, columns], in the unit of `colours`.

    Raises:
        InputRefused: Red, green and blue differ: the frame is a map in colour, not a picture of the signal.
    """
    largest = 2.0 ** (bits_stored if palette is None else palette.bits) - 1.0
    check_grey(colours, largest, IN_DICOM)
    return colours[..., 1].astype(np.float32)
