"""Bounds that are checked before a byte of an image is decoded, so that a small file cannot fill the memory."""

from __future__ import annotations

import io
import re
import zlib

from pydicom.encaps import generate_frames

from medtl.dicom.layout import EXPLICIT_LITTLE_ENDIAN, PixelLayout
from shared.errors import InputRefused
from shared.io.archives import most_unpacked
from shared.io.structure import MAX_SCANS, has_many_scans

MAX_PIXELS = 1 << 28
"""Pixels of one object, or samples where a pixel has three: 1 GiB as float32, above the largest volumes of clinical MR
(640 x 640 x 512)."""
MAX_OBJECT_BYTES = 1 << 29
"""Bytes of an object that is received: the largest of clinical MR have 420 MB (640 x 640 x 512 in 16 bits)."""
MAX_FRAME_PIXELS = 1 << 24
"""Pixels of one frame: 4096 x 4096, sixteen times the finest matrix of clinical MR (1024 x 1024)."""
MAX_REREADINGS, REREAD_ALLOWANCE = 7, 1 << 20
"""Seeks backwards in a file may add up to this many times its length, and this many bytes more: a sound file is read
once, its tags twice."""
DEFLATED = "1.2.840.10008.1.2.1.99"
BITS_ALLOCATED = (8, 16, 32)
"""Values of Bits Allocated that are read; with others GDCM writes outside of its memory. Source: DICOM PS3.5, 8.1.1."""
START_OF_IMAGE, END_OF_IMAGE = b"\xff\xd8", b"\xff\xd9"
"""First marker of a JPEG or JPEG-LS codestream, and the last one of these and of JPEG 2000.

Source: ITU-T T.81, table B.1; ITU-T T.87, annex C; ITU-T T.800, table A.2.
"""
END_BYTES = 16
"""`END_OF_IMAGE` is looked for among this many last bytes: writers fill up to even lengths, some with several bytes."""
LOSSLESS_JPEG = ("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")
"""Transfer syntaxes in which every pixel has a Huffman code of at least one bit. Source: ITU-T T.81, H.1.2.2."""
JPEG_FRAME_MARKERS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
"""Markers whose segment states the size of the picture. Source: ITU-T T.81, table B.1; ITU-T T.87, table C.1."""


class Metered(io.BytesIO):
    """A file in memory that refuses to be read too often: it bounds the sum of all seeks backwards (`MAX_REREADINGS`).

    Where an element has no stated length, pydicom scans the rest of the file, again for every element: minutes for
    some 100 KiB.

    Args:
        data: The bytes of the file.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._size = len(data)
        self._left = MAX_REREADINGS * self._size + REREAD_ALLOWANCE

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Changes the present place, as in every file.

        Args:
            offset: Number of bytes from where `whence` says.
            whence: The start of the file, the present place or the end, as `io.SEEK_SET` and others say it.

        Returns:
            The new place.

        Raises:
            InputRefused: The seeks backwards add up to more than a sound file needs.
        """
        before = min(self.tell(), self._size)  # a damaged length leads to a place behind the end
        now = super().seek(offset, whence)
        self._left -= max(0, before - now)
        if self._left < 0:
            raise InputRefused("is damaged: lengths in it have no end")
        return now


def inflated(data: bytes) -> bytes:
    """Inflates a deflated DICOM file to one in Explicit VR Little Endian, within bounds that pydicom does not have.

    Args:
        data: The bytes of a DICOM file in any transfer syntax.

    Returns:
        The bytes of the inflated file; `data` itself where it is not deflated.

    Raises:
        InputRefused: It unpacks to more than any image of its size does, or is cut.
    """
    stated = data.find(DEFLATED.encode(), 132, 1024)
    if stated < 0 or data[132:136] != b"\x02\x00\x00\x00":
        return data
    start = 144 + int.from_bytes(data[140:144], "little")
    inflater, rest, size = zlib.decompressobj(-zlib.MAX_WBITS), data[start:], 0
    most = most_unpacked(len(rest))
    # a UID may be filled up to its length (PS3.5, 9.1), so that no length in the meta header changes
    meta = data[:start].replace(DEFLATED.encode(), EXPLICIT_LITTLE_ENDIAN.encode().ljust(len(DEFLATED), b"\0"), 1)
    parts = [meta]
    while rest and not inflater.eof:
        parts.append(inflater.decompress(rest, 1 << 24))
        size += len(parts[-1])
        rest = inflater.unconsumed_tail
        if size > most:
            raise InputRefused(f"inflates to more than {most} bytes, as no image of its size does")
    if not inflater.eof:
        raise InputRefused("is truncated: its deflated part has no end")
    return b"".join(parts)


def check_size(layout: PixelLayout) -> None:
    """Checks how many pixels and bits a header states, before anything is decoded.

    Args:
        layout: The layout of the pixels that the header states.

    Raises:
        InputRefused: Object or frame has more pixels than are read, or a number of bits that no image has.
    """
    if layout.bits_allocated not in BITS_ALLOCATED or not 0 < layout.bits_stored <= layout.bits_allocated:
        raise InputRefused(
            f"states {layout.bits_allocated} bits allocated and {layout.bits_stored} stored for a pixel; allowed are "
            f"{', '.join(map(str, BITS_ALLOCATED))} bits allocated, and 1 to as many stored"
        )
    samples = layout.pixels * layout.samples_per_pixel
    if samples > MAX_PIXELS:
        colour = "" if layout.samples_per_pixel == 1 else f" with {layout.samples_per_pixel} samples each"
        raise InputRefused(
            f"states {layout.frames} frames of {layout.rows} x {layout.columns} pixels{colour}; at most {MAX_PIXELS} "
            "are read"
        )
    if layout.frame_pixels > MAX_FRAME_PIXELS:
        raise InputRefused(
            f"states a frame of {layout.rows} x {layout.columns} pixels; at most {MAX_FRAME_PIXELS} pixels are read"
        )


def check_length(pixels: bytes, layout: PixelLayout) -> None:
    """Checks that uncompressed pixels are all there.

    Args:
        pixels: The value of Pixel Data.
        layout: The layout of the pixels that the header states.

    Raises:
        InputRefused: There are fewer bytes than the header states.
    """
    # Of four samples of red and blue differences one pair is stored for two pixels. Source: PS3.3, C.7.6.3.1.2.
    samples = 2 if layout.photometric == "YBR_FULL_422" else layout.samples_per_pixel
    expected = layout.pixels * samples * layout.bits_allocated // 8
    if len(pixels) < expected:
        raise InputRefused(f"is truncated: {len(pixels)} of {expected} bytes of pixels are there")


def check_codestreams(pixels: bytes, layout: PixelLayout) -> None:
    """Refuses compressed pixels whose codestream contradicts the header, before a codec allocates the stated size.

    Args:
        pixels: The value of Pixel Data, encapsulated.
        layout: The layout of the pixels that the header states.

    Raises:
        InputRefused: Codestream and header differ in size, samples or bits, the image is cut, or it unpacks to more
            than any image does.
    """
    unpacked, most = layout.pixels * layout.bits_allocated // 8, most_unpacked(len(pixels))
    if unpacked > most:
        raise InputRefused(f"unpacks to {unpacked} bytes, as no image of its size does; at most {most} are read")
    if "RLE" in layout.transfer_syntax_name:
        return
    for frame in generate_frames(pixels, number_of_frames=layout.frames):
        stated = _codestream_shape(frame)
        if stated is None or stated[:3] != (layout.rows, layout.columns, layout.samples_per_pixel):
            raise InputRefused(
                "is damaged: the compressed image is not of the size, or has not the samples, that the header states"
            )
        if stated[3] > layout.bits_allocated:
            raise InputRefused("is damaged: the compressed image has more bits than the header states")
        if frame.startswith(START_OF_IMAGE) and has_many_scans(frame):
            raise InputRefused(f"has a compressed image of more than {MAX_SCANS} scans, as no scanner writes")
        _check_whole(frame, layout)


def _check_whole(frame: bytes, layout: PixelLayout) -> None:
    """Refuses a compressed frame that is cut: codecs fill up what is missing with grey, in silence."""
    if END_OF_IMAGE not in frame[-END_BYTES:]:
        raise InputRefused("is truncated: the compressed image has no end; copy or export it again")
    if layout.transfer_syntax in LOSSLESS_JPEG and layout.frame_pixels > 8 * len(frame):
        raise InputRefused(
            "is truncated: the compressed image has too few bytes for its pixels; copy or export it again"
        )
    if (missing := _missing_tiles(frame)) > 0:
        raise InputRefused(f"is truncated: the compressed image lacks {missing} of its tiles; copy or export it again")


def _codestream_shape(frame: bytes) -> tuple[int, int, int, int] | None:
    """Rows, columns, samples and bits of a JPEG, JPEG-LS or JPEG 2000 picture by its own header; None without one."""
    start = _start_2000(frame)
    if start >= 0:
        # ITU-T T.800, A.5.1: the extent of the reference grid less the offset of the image in it; the first component.
        right, bottom, left, top = (int.from_bytes(frame[start + at : start + at + 4]) for at in (8, 12, 16, 20))
        samples, bits = int.from_bytes(frame[start + 40 : start + 42]), frame[start + 42 : start + 43]
        return bottom - top, right - left, samples, (bits[0] & 0x7F) + 1 if bits else 0
    at = 2
    while at + 10 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker in JPEG_FRAME_MARKERS:
            rows, columns = int.from_bytes(frame[at + 5 : at + 7]), int.from_bytes(frame[at + 7 : at + 9])
            return rows, columns, frame[at + 9], frame[at + 4]
        # 0xFF may be repeated before a marker as filling; every other marker here has a length of at least 2.
        at += 1 if marker == 0xFF else 2 + max(2, int.from_bytes(frame[at + 2 : at + 4]))
    return None


def _start_2000(frame: bytes) -> int:
    """Byte at which a JPEG 2000 codestream starts; -1 where there is none."""
    return -1 if frame.startswith(b"\xff\xd8") else frame.find(b"\xff\x4f\xff\x51")


def _missing_tiles(frame: bytes) -> int:
    """Number of tiles that a JPEG 2000 picture lacks. Source: ITU-T T.800, A.4.2 and A.5.1, equation B-5."""
    start = _start_2000(frame)
    if start < 0:
        return 0
    right, bottom, _, _, width, height, left, top = (
        int.from_bytes(frame[start + at : start + at + 4]) for at in range(8, 40, 4)
    )
    if not width or not height:
        raise InputRefused("is damaged: the compressed image has tiles of no size")
    # no marker of this value stands in the coded data itself (T.800, A.1)
    there = {found[1] for found in re.finditer(rb"\xff\x90\x00\x0a(..)", frame[start:], re.DOTALL)}
    return -(-(right - left) // width) * -(-(bottom - top) // height) - len(there)
