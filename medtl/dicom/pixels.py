"""Decoding the pixels of a DICOM object whose header was checked before."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.pixels import get_decoder
from pydicom.uid import UID

from medtl.dicom.bounds import check_codestreams, check_length
from medtl.dicom.colour import as_grey, is_colour, read_palette
from medtl.dicom.layout import PixelLayout
from medtl.dicom.mosaic import cut_tiles
from medtl.dicom.padding import Padding, fill_padding, read_padding
from medtl.dicom.values import floats_of, functional_groups, integer_of, value_of
from shared.errors import InputRefused

Pixels = NDArray[np.float32]

JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
UNSCALED = (1.0, 0.0)
"""Rescale slope and intercept that change nothing."""


def decode(dataset: Any, layout: PixelLayout) -> Pixels:
    """Decodes all frames of a DICOM object to grey, one at a time, so that no more than one is in memory in colour.

    Args:
        dataset: A pydicom dataset with its pixels.
        layout: What `medtl.dicom.layout.read_layout` read from it.

    Returns:
        float32 [slices, rows, columns] after rescale slope and intercept; bright is a high value. Padding has the
        lowest value of its slice.

    Raises:
        InputRefused: The pixels are truncated, are stored in a way that is not read, or are a map in colour. What else
            goes wrong is left to `medtl.dicom.reader.untrusted_decoding`.
    """
    decoder = _decoder(layout)
    check_there(dataset, layout)
    scales = _scales(dataset, layout.frames)
    palette = read_palette(dataset) if layout.photometric == "PALETTE COLOR" else None
    padding = read_padding(dataset, layout)
    frames = np.empty((layout.frames, layout.rows, layout.columns), np.float32)
    decoded = 0
    # Not raw, pydicom brings the samples of a pixel together and turns YBR into RGB. Padding may stand in bits that no
    # value uses, so these are then left as they are.
    every = decoder.iter_array(dataset, raw=layout.samples_per_pixel == 1, correct_unused_bits=padding is None)
    for index, (stored, _) in enumerate(every):
        frame = frames[index]
        if is_colour(layout):
            frame[:] = as_grey(stored if palette is None else palette.colours(stored), layout.bits_stored, palette)
        else:
            _fill_grey(frame, stored, layout, padding, signed=bool(integer_of(dataset, "PixelRepresentation")))
        slope, intercept = scales[index]
        if (slope, intercept) != UNSCALED:
            frame *= slope
            frame += intercept
        decoded += 1
    if decoded != layout.frames:
        raise InputRefused(f"is truncated: {decoded} of {layout.frames} frames are there")
    slices = frames if layout.mosaic is None else cut_tiles(frames[0], layout.mosaic)
    if padding is not None:
        fill_padding(slices)
    return slices


def check_there(dataset: Any, layout: PixelLayout) -> None:
    """Checks that all pixels are there that the header states, without decoding them.

    Args:
        dataset: A pydicom dataset with its pixels.
        layout: What `medtl.dicom.layout.read_layout` read from it.

    Raises:
        InputRefused: There are none, they are truncated, or a compressed image contradicts the header.
    """
    if "PixelData" not in dataset:
        raise InputRefused("contains no pixels")
    if UID(layout.transfer_syntax).is_encapsulated:
        check_codestreams(dataset.PixelData, layout)
    else:
        check_length(dataset.PixelData, layout)


def _decoder(layout: PixelLayout) -> Any:
    try:
        decoder = get_decoder(UID(layout.transfer_syntax))
    except NotImplementedError:
        decoder = None
    if decoder is None or not decoder.is_available:
        raise InputRefused(
            f"is stored as {layout.transfer_syntax_name}, which cannot be decoded here; export it uncompressed"
        )
    if layout.transfer_syntax == JPEG_EXTENDED and layout.bits_stored > 8:
        raise InputRefused(
            f"is stored as JPEG Extended with {layout.bits_stored} bits, which cannot be decoded here; "
            "export it uncompressed"
        )
    return decoder


def _fill_grey(
    frame: Pixels, stored: NDArray[Any], layout: PixelLayout, padding: Padding | None, *, signed: bool
) -> None:
    """Fills a frame with stored values, bright as a high value, and NaN where a pixel is padding."""
    padded = None
    if padding is not None:
        stored, padded = padding.split(stored)
    frame[:] = stored
    if layout.photometric == "MONOCHROME1":
        np.subtract(-1.0 if signed else 2.0**layout.bits_stored - 1.0, frame, out=frame)
    if padded is not None:
        frame[padded] = np.nan


def _scales(dataset: Any, frames: int) -> list[tuple[float, float]]:
    """Rescale slope and intercept of each frame. Source: DICOM PS3.3, C.11.1.1.2 and C.7.6.16.2.9."""
    scales = []
    if value_of(dataset, "ModalityLUTSequence"):
        raise InputRefused("has a Modality LUT, which no MR image may have")
    transformations = [dataset] * frames
    if (own := value_of(dataset, "PerFrameFunctionalGroupsSequence")) is not None:
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
