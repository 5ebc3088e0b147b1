"""Bounds that are checked before a byte of an image is decoded, so that a small file cannot fill the memory."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from pydicom.encaps import generate_frames

from shared.errors import InputRefused
from shared.sources import most_unpacked

if TYPE_CHECKING:
    from medtl.dicom_reader import DicomHeader

MAX_PIXELS = 1 << 28
"""Pixels of one object, or samples where a pixel has three: 1 GiB as float32, above the largest volumes of clinical MR
(640 x 640 x 512)."""
MAX_FRAME_PIXELS = 1 << 24
"""Pixels of one frame: 4096 x 4096, sixteen times the finest matrix of clinical MR (1024 x 1024)."""
DEFLATED = "1.2.840.10008.1.2.1.99"
END_OF_IMAGE = b"\xff\xd9"
"""Last marker of all three. Source: ITU-T T.81, table B.1; ITU-T T.87, annex C; ITU-T T.800, table A.2."""
END_BYTES = 16
"""How far from the end it is looked for: writers fill up to even lengths, some with more than one byte."""
LOSSLESS_JPEG = ("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")
"""Here every pixel has a Huffman code of one bit at least. Source: ITU-T T.81, H.1.2.2."""
JPEG_FRAME_MARKERS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
"""Markers whose segment states the size of the picture. Source: ITU-T T.81, table B.1; ITU-T T.87, table C.1."""


def check_deflated(data: bytes) -> None:
    """Inflates once, in small pieces that are thrown away: pydicom itself would fill the memory without a bound."""
    if DEFLATED.encode() not in data[132:1024] or data[132:136] != b"\x02\x00\x00\x00":
        return
    start = 144 + int.from_bytes(data[140:144], "little")
    inflater, rest, size = zlib.decompressobj(-zlib.MAX_WBITS), data[start:], 0
    most = most_unpacked(len(rest))
    while rest and not inflater.eof:
        size += len(inflater.decompress(rest, 1 << 24))
        rest = inflater.unconsumed_tail
        if size > most:
            raise InputRefused(f"inflates to more than {most} bytes, as no image of its size does")


def check_size(header: DicomHeader) -> None:
    """Refuses more pixels than are ever decoded."""
    samples = header.rows * header.columns * header.frames * header.samples_per_pixel
    if samples > MAX_PIXELS:
        colour = "" if header.samples_per_pixel == 1 else f" with {header.samples_per_pixel} samples each"
        raise InputRefused(
            f"states {header.frames} frames of {header.rows} x {header.columns} pixels{colour}; at most {MAX_PIXELS} "
            "are read"
        )
    if header.rows * header.columns > MAX_FRAME_PIXELS:
        raise InputRefused(
            f"states a frame of {header.rows} x {header.columns} pixels; at most {MAX_FRAME_PIXELS} pixels are read"
        )


def check_length(pixels: bytes, header: DicomHeader) -> None:
    """Refuses uncompressed pixels that end too early."""
    # Of four samples of red and blue differences one pair is stored for two pixels. Source: PS3.3, C.7.6.3.1.2.
    samples = 2 if header.photometric == "YBR_FULL_422" else header.samples_per_pixel
    expected = header.rows * header.columns * header.frames * samples * header.bits_allocated // 8
    if len(pixels) < expected:
        raise InputRefused(f"is truncated: {len(pixels)} of {expected} bytes of pixels are there")


def check_codestreams(pixels: bytes, header: DicomHeader) -> None:
    """A codec makes room for the size that the codestream states, not for the one that the header states.

    Raises:
        InputRefused: The sizes differ, the image is cut, or it unpacks to more than any image does.
    """
    unpacked, most = (
        header.rows * header.columns * header.frames * header.bits_allocated // 8,
        most_unpacked(len(pixels)),
    )
    if unpacked > most:
        raise InputRefused(f"unpacks to {unpacked} bytes, as no image of its size does; at most {most} are read")
    if "RLE" in header.transfer_syntax_name:
        return
    for frame in generate_frames(pixels, number_of_frames=header.frames):
        size = _codestream_size(frame)
        if size != (header.rows, header.columns, header.samples_per_pixel):
            raise InputRefused(
                "is damaged: the compressed image is not of the size, or has not the samples, that the header states"
            )
        # Codecs fill up what is missing with grey, in silence.
        whole = header.transfer_syntax not in LOSSLESS_JPEG or header.rows * header.columns <= 8 * len(frame)
        if END_OF_IMAGE not in frame[-END_BYTES:] or not whole:
            raise InputRefused("is truncated: the compressed image has no end, or too few bytes for its pixels")


def _codestream_size(frame: bytes) -> tuple[int, int, int] | None:
    """Rows, columns and samples a pixel of a JPEG, JPEG-LS or JPEG 2000 picture by its own header; None without one."""
    start = frame.find(b"\xff\x4f\xff\x51")
    if start >= 0 and not frame.startswith(b"\xff\xd8"):
        # ITU-T T.800, A.5.1: the extent of the reference grid less the offset of the image in it; components.
        right, bottom, left, top = (int.from_bytes(frame[start + at : start + at + 4]) for at in (8, 12, 16, 20))
        return bottom - top, right - left, int.from_bytes(frame[start + 40 : start + 42])
    at = 2
    while at + 10 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker in JPEG_FRAME_MARKERS:
            return int.from_bytes(frame[at + 5 : at + 7]), int.from_bytes(frame[at + 7 : at + 9]), frame[at + 9]
        # 0xFF may be repeated before a marker as filling; every other marker here has a length of at least 2.
        at += 1 if marker == 0xFF else 2 + max(2, int.from_bytes(frame[at + 2 : at + 4]))
    return None
