"""Decoding the pixels of a DICOM object whose header has been checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydicom.pixels import get_decoder
from pydicom.uid import UID

from medtl.dicom.bounds import check_codestreams, check_length
from medtl.dicom.colour import as_grey, is_colour, read_palette
from medtl.dicom.mosaic import cut_tiles
from medtl.dicom.values import floats_of, functional_groups, integer_of
from shared.errors import InputRefused

if TYPE_CHECKING:
    from medtl.dicom.header import DicomHeader

Pixels = NDArray[np.float32]

JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"


def decode(dataset: Any, header: DicomHeader) -> Pixels:
    """Decodes all frames, one at a time: beside the result only one frame in colour is in memory.

    Args:
        dataset: A pydicom dataset with its pixels.
        header: What was read from it before.

    Returns:
        float32 [slices, rows, columns], grey, bright is a high value.

    Raises:
        InputRefused: It is truncated, is stored in a way that is not read, or is in colour. What else goes wrong is
            left to `medtl.dicom.reader.untrusted_decoding`.
    """
    decoder = _decoder(header)
    if "PixelData" not in dataset:
        raise InputRefused("contains no pixels")
    if UID(header.transfer_syntax).is_encapsulated:
        check_codestreams(dataset.PixelData, header)
    else:
        check_length(dataset.PixelData, header)
    scales = _scales(dataset, header.frames)
    palette = read_palette(dataset) if header.photometric == "PALETTE COLOR" else None
    frames = np.empty((header.frames, header.rows, header.columns), np.float32)
    decoded = 0
    # Not raw, pydicom brings the samples of a pixel together and turns YBR into RGB.
    for index, (stored, _) in enumerate(decoder.iter_array(dataset, raw=header.samples_per_pixel == 1)):
        if is_colour(header):
            values = as_grey(stored if palette is None else palette.colours(stored), header.bits_stored, palette)
        else:
            values = _grey(stored, header, signed=bool(integer_of(dataset, "PixelRepresentation")))
        slope, intercept = scales[index]
        frames[index] = values * slope + intercept
        decoded += 1
    if decoded != header.frames:
        raise InputRefused(f"is truncated: {decoded} of {header.frames} frames are there")
    return frames if header.mosaic is None else cut_tiles(frames[0], header.mosaic)


def _decoder(header: DicomHeader) -> Any:
    try:
        decoder = get_decoder(UID(header.transfer_syntax))
    except NotImplementedError:
        decoder = None
    if decoder is None or not decoder.is_available:
        raise InputRefused(
            f"is stored as {header.transfer_syntax_name}, which cannot be decoded here; export it uncompressed"
        )
    if header.transfer_syntax == JPEG_EXTENDED and header.bits_stored > 8:
        raise InputRefused(
            f"is stored as JPEG Extended with {header.bits_stored} bits, which cannot be decoded here; "
            "export it uncompressed"
        )
    return decoder


def _grey(stored: NDArray[Any], header: DicomHeader, *, signed: bool) -> Pixels:
    values = stored.astype(np.float32)
    if header.photometric == "MONOCHROME1":
        values = (-1.0 if signed else 2.0**header.bits_stored - 1.0) - values
    return values


def _scales(dataset: Any, frames: int) -> list[tuple[float, float]]:
    """Rescale slope and intercept of each frame. Source: DICOM PS3.3, C.11.1.1.2 and C.7.6.16.2.9."""
    scales = []
    if dataset.get("ModalityLUTSequence"):
        raise InputRefused("has a Modality LUT, which no MR image may have")
    transformations = [dataset] * frames
    if (own := dataset.get("PerFrameFunctionalGroupsSequence")) is not None:
        if len(own) != frames:
            raise InputRefused(f"states {frames} frames and describes {len(own)}")
        transformations = functional_groups(dataset, frames)("PixelValueTransformationSequence")
    for group in transformations:
        slope = floats_of(group, "RescaleSlope", 1) or (1.0,)
        intercept = floats_of(group, "RescaleIntercept", 1) or (0.0,)
        if slope[0] == 0:
            raise InputRefused("has a rescale slope of 0, which erases the image")
        scales.append((slope[0], intercept[0]))
    return scales
