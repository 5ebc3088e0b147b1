"""Bounds on the structure of pictures and archives, checked before a decoder walks through it."""

from __future__ import annotations

import re
import struct
from typing import BinaryIO

from shared.errors import DataError

MAX_SCANS = 100
"""Scans of a JPEG. Encoders write about ten, and each makes a decoder pass over all pixels."""
MAX_PAGES = 1000
"""Pages of a TIFF that are counted."""
MAX_DIRECTORY_BYTES = 1 << 28
"""Directory of a zip archive, which is read as a whole: 256 MiB, above one of a million files with long names."""

MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")
"""A marker of a JPEG other than restarts. In coded data a byte of 255 is followed by 0. Source: ITU-T T.81, B.1.1.5."""
START_OF_IMAGE, END_OF_IMAGE, START_OF_SCAN = 0xD8, 0xD9, 0xDA
TIFF_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of a value by its type. Source: TIFF 6.0, section 2, and BigTIFF."""
IN_FIELD = 4
"""Bytes of values that stand in the field itself."""
MEMBER = b"PK\x01\x02"
"""Begins the entry of a member in the directory. Source: APPNOTE.TXT 6.3.9, 4.3.12."""
END, END_BYTES, MAX_COMMENT = b"PK\x05\x06", 22, 1 << 16
END_64, END_64_BYTES, LOCATOR, LOCATOR_BYTES = b"PK\x06\x06", 56, b"PK\x06\x07", 20
"""Records at the end of a zip archive, of Zip64 too. Source: APPNOTE.TXT 6.3.9, 4.3.14 to 4.3.16."""


def has_many_scans(data: bytes) -> bool:
    """Tells whether a JPEG has more than `MAX_SCANS` scans: a small file would keep a decoder busy for minutes.

    Args:
        data: The bytes of a JPEG, JPEG-LS or lossless JPEG.
    """
    scans, at = 0, 0
    while (found := MARKER.search(data, at)) is not None:
        marker, at = data[found.start() + 1], found.end()
        if marker == END_OF_IMAGE:
            return False
        scans += marker == START_OF_SCAN
        if scans > MAX_SCANS:
            return True
        if marker != START_OF_IMAGE:
            at += max(2, int.from_bytes(data[at : at + 2]))
    return False


def tiff_pages(data: bytes) -> int:
    """Counts the pages of a TIFF, up to one more than `MAX_PAGES`.

    Args:
        data: The bytes of the file.

    Raises:
        DataError: The fields of its first page have more bytes than the file: a decoder would copy it for each.
    """
    order, pages = "<" if data.startswith(b"II") else ">", 0
    (start,) = struct.unpack_from(f"{order}L", data.ljust(8, b"\0"), 4)
    while start and start + 2 <= len(data) and pages <= MAX_PAGES:
        (count,) = struct.unpack_from(f"{order}H", data, start)
        if not pages:
            check_fields(data, start, count)
        pages, at = pages + 1, start + 2 + 12 * count
        start = struct.unpack_from(f"{order}L", data, at)[0] if at + 4 <= len(data) else 0
    return pages


def check_fields(data: bytes, start: int, count: int) -> None:
    """Checks that the fields of a TIFF directory, as EXIF has one too, have no more bytes than the file.

    Args:
        data: The bytes of the file.
        start: Where the directory begins.
        count: Number of fields that it states.

    Raises:
        DataError: They have more, so they overlap.
    """
    order, total = "<" if data.startswith(b"II") else ">", 0
    fields = data[start + 2 : start + 2 + 12 * count]
    for _, kind, values, _ in struct.iter_unpack(f"{order}HHLL", fields[: len(fields) // 12 * 12]):
        size = TIFF_SIZES.get(kind, 0) * values
        total += size if size > IN_FIELD else 0
    if total > len(data):
        raise DataError(f"the picture is damaged: its fields have {total} bytes, and the file has {len(data)}")


def check_directory(stream: BinaryIO, most: int) -> None:
    """Checks how many members a zip archive has, before its directory is read into memory.

    Args:
        stream: The archive, of which the end is read.
        most: Most members that are read.

    Raises:
        DataError: It has more.
    """
    size = stream.seek(0, 2)
    tail_at = max(0, size - END_BYTES - MAX_COMMENT - LOCATOR_BYTES - END_64_BYTES)
    stream.seek(tail_at)
    tail = stream.read()
    end = _end_record(tail)
    if end < 0:
        return  # no archive, as its reader will say
    length, last = int.from_bytes(tail[end + 12 : end + 16], "little"), tail_at + end
    locator, record = end - LOCATOR_BYTES, end - LOCATOR_BYTES - END_64_BYTES
    if tail[max(0, locator) : end].startswith(LOCATOR) and tail[max(0, record) : locator].startswith(END_64):
        length, last = int.from_bytes(tail[record + 40 : record + 48], "little"), tail_at + record
    if length > MAX_DIRECTORY_BYTES:
        raise DataError(f"has a directory of {length} bytes; at most {MAX_DIRECTORY_BYTES} are read")
    stream.seek(max(0, last - length))
    if stream.read(length).count(MEMBER) > most:
        raise DataError(f"has more than {most} files")


def _end_record(tail: bytes) -> int:
    """Where the last record of a zip archive begins; -1 where there is none."""
    if tail[-END_BYTES:].startswith(END) and tail.endswith(b"\0\0"):
        return len(tail) - END_BYTES
    return tail.rfind(END)
