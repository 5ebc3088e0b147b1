"""Small files that unpack to hundreds of megabytes: what a bound must catch before the memory is full."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from PIL import Image

from tests.medtl.mutation_seeds import dicom_seeds, picture_seeds
from tests.medtl.mutations import CODINGS, Coding, walk

PIXELS = 1 << 28
"""As many as one object may have (`medtl.dicom.bounds.MAX_PIXELS`)."""
SIDE = 1 << 14
FRAME_SIDE = 1 << 12
"""The largest square frame that is read."""
MEMBER = 1 << 29


def bombs() -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Names of files, and what makes them."""
    yield "deflated.dcm", lambda: _deflated(_sized("plain", SIDE, SIDE), 2 * PIXELS)
    yield "deflated_tag.dcm", lambda: _deflated(dicom_seeds()["plain"], (1 << 30) - (1 << 20))
    for name in ("rle", "jpeg_lossless", "jpeg_ls", "jpeg_2000"):
        for side in (FRAME_SIDE, SIDE):
            yield f"{name}_{side}.dcm", lambda name=name, side=side: _codestream(name, side)
    for mode in ("1", "L", "I;16", "RGBA", "P"):
        yield f"{mode.replace(';', '')}.png", lambda mode=mode: _picture("PNG", mode)
    yield "CMYK.jpg", lambda: _picture("JPEG", "CMYK")
    for mode in ("1", "F", "RGBA"):
        yield f"{mode}.tif", lambda mode=mode: _picture("TIFF", mode, compression="tiff_deflate")
    for kind in ("B", "h", "d"):
        yield f"{kind}.nii.gz", lambda kind=kind: _volume(kind)
    yield "member.zip", lambda: _member("a.dcm", b"")
    yield "picture.zip", lambda: _member("a.png", picture_seeds()["grey.png"])


def _sized(name: str, rows: int, columns: int) -> bytes:
    data, coding = dicom_seeds()[name], CODINGS.get(name, Coding())
    out = bytearray(data)
    for one in walk(data, coding):
        if one.tag in (0x00280010, 0x00280011):
            struct.pack_into("<H", out, one.value, rows if one.tag == 0x00280010 else columns)
    return bytes(out)


def _deflated(data: bytes, zeros: int) -> bytes:
    """An object whose last element is `zeros` long; the pixels of `data` where its own are too short."""
    start = 144 + struct.unpack_from("<L", data, 140)[0]
    pixels = next(one for one in walk(data, Coding()) if one.tag == 0x7FE00010)
    meta = data[:start].replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99", 1)
    at = meta.index(b"1.2.840.10008.1.2.1.99") - 2
    meta = meta[:140] + struct.pack("<L", start - 144 + 2) + meta[144:at] + b"\x16\0" + meta[at + 2 :]
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    head = data[start : pixels.start] + Coding().element(0x7FE00010, b"OW", b"", zeros)
    parts = [packer.compress(head)]
    parts += [packer.compress(b"\0" * (1 << 20)) for _ in range(zeros >> 20)]
    return meta + b"".join(parts) + packer.flush()


def _codestream(name: str, side: int) -> bytes:
    """Compressed pixels that state the same huge size as the header."""
    data = _sized(name, side, side)
    size = struct.pack(">HH", side, side)
    if name == "jpeg_2000":
        at, size = data.index(b"\xff\x4f\xff\x51") + 8, struct.pack(">LL", side, side)
        return data[:at] + size + data[at + 8 : at + 16] + size + data[at + 24 :]
    if name in ("jpeg_ls", "jpeg_lossless"):
        at = data.index(b"\xff\xf7" if name == "jpeg_ls" else b"\xff\xc3") + 5
        return data[:at] + size + data[at + 4 :]
    return data


def _picture(kind: str, mode: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.new(mode, (8000, 8000)).save(stream, kind, **options)
    return stream.getvalue()


def _volume(kind: str) -> bytes:
    code, width = {"B": (2, 1), "h": (4, 2), "d": (64, 8)}[kind]
    side = int(((1 << 30) // width * 0.99) ** (1 / 3))
    head = bytearray(picture_seeds()["volume.nii"][:352])
    struct.pack_into("<8h", head, 40, 3, side, side, side, 1, 1, 1, 1)
    struct.pack_into("<2h", head, 70, code, 8 * width)
    stream = io.BytesIO()
    with gzip.GzipFile(fileobj=stream, mode="wb", mtime=0) as packed:
        packed.write(head)
        left = side**3 * width
        while left > 0:
            packed.write(b"\0" * min(left, 1 << 24))
            left -= 1 << 24
    return stream.getvalue()


def _member(name: str, head: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(name, "w") as member:
        member.write(head)
        for _ in range(MEMBER >> 24):
            member.write(b"\0" * (1 << 24))
    return stream.getvalue()
