"""Hypothesis strategies for damaged and hostile files: each draws a whole file and one to three ways to spoil it.

DICOM is cut by a walker of its own that knows tags, lengths and items and nothing of values: pydicom would not write
most of what is wanted here.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from tests.medtl.mutation_seeds import PLANTED, dicom_seeds, directory_seed, picture_seeds, zipped

Draw = Callable[[st.SearchStrategy], object]
UNDEFINED = 0xFFFFFFFF
LONG = {b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UN", b"UT", b"UC", b"UR", b"SV", b"UV"}
"""VRs with a length of four bytes after two of filling. Source: DICOM PS3.5, table 7.1-1."""
VRS = [*sorted(LONG), b"US", b"SS", b"UL", b"FL", b"FD", b"AT", b"CS", b"DS", b"IS", b"LO", b"PN", b"UI", b"DA", b"??"]
ITEM, ITEM_END, SEQUENCE_END, PIXELS = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD, 0x7FE00010
SIZES = {0x00280008, 0x00280002, 0x00280010, 0x00280011, 0x00280100, 0x00280101, 0x00280102, 0x00280103}
"""Frames, samples, rows, columns, bits allocated and stored, high bit and sign."""
SYNTAXES = [
    f"1.2.840.10008.1.2{end}".encode()
    for end in ("", ".1", ".1.99", ".2", ".5", ".4.50", ".4.51", ".4.57", ".4.70", ".4.80", ".4.90", ".4.91", ".4.201")
]
NASTY = [
    b"",
    b"\0",
    b"\xff" * 8,
    *(value.encode() for value in PLANTED.values()),
    "\\".join(PLANTED.values()).encode(),
    b"\x1b[31m" + PLANTED["PatientName"].encode() + b"\r\n",
    b"9" * 400,
    b"1" * 60_000,
    b"-1",
    b"1e999",
    b"nan",
    b"1.5",
    b"\\" * 300,
    b"1\\2\\3\\4\\5\\6\\7",
    b"\x1b$)C\xff\xfe\xc3",
    *SYNTAXES,
]
NUMBERS = [0, 1, 2, 3, 7, 8, 12, 16, 31, 32, 33, 64, 4096, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF]
COUNTS = [b"0", b"2", b"-1", b"65535", b"65536", b"2147483647", b"9" * 30, b"1e3"]
LENGTHS = [0, 1, 2, 7, 8, 0xFFFE, 0xFFFF, 0x7FFFFFFF, UNDEFINED - 1, UNDEFINED]
NAMES = [
    "a.dcm",
    "s/b.dcm",
    "é.nii.gz",
    "p.png",
    "in.zip",
    "labels.csv",
    "d/",
    "../../out.dcm",
    "/root.dcm",
    "C:\\x.dcm",
]
NAMES += ["a\nb.dcm", "\x1b[2J.png", "n\0ul.dcm", "a::b.dcm", ".", "s/../b.dcm", "", "x" * 300 + ".dcm"]
"""Of members: harmless ones and those that lead elsewhere, hide, or speak to the terminal."""
DEPTHS = [1, 30, 400, 3000, 20_000]


@dataclass(frozen=True)
class Element:
    """Where an element, an item or a delimiter lies in a file."""

    tag: int
    start: int
    length_at: int
    length_bytes: int
    value: int
    end: int


@dataclass(frozen=True)
class Coding:
    """How the elements behind the meta header are written."""

    explicit: bool = True
    little: bool = True

    @property
    def order(self) -> str:
        return "<" if self.little else ">"

    def element(self, tag: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
        """An element as bytes, with a length that may be wrong."""
        stated = len(value) if length is None else length
        head = struct.pack(f"{self.order}HH", tag >> 16, tag & 0xFFFF)
        if not self.explicit or tag in (ITEM, ITEM_END, SEQUENCE_END):
            return head + struct.pack(f"{self.order}L", stated) + value
        if vr in LONG:
            return head + vr + b"\0\0" + struct.pack(f"{self.order}L", stated) + value
        return head + vr + struct.pack(f"{self.order}H", stated & 0xFFFF) + value


CODINGS = {"implicit": Coding(explicit=False), "bare": Coding(explicit=False), "big_endian": Coding(little=False)}


def walk(data: bytes, coding: Coding) -> Iterator[Element]:
    """All elements in the order of the file, with those of sequences and the fragments of pixels; stops at nonsense."""
    at, in_pixels = (132 if data[128:132] == b"DICM" else 0), False
    while at + 8 <= len(data):
        how = Coding() if data[at : at + 2] == b"\2\0" else coding
        group, number = struct.unpack_from(f"{how.order}HH", data, at)
        tag = group << 16 | number
        vr = data[at + 4 : at + 6] if how.explicit and group != 0xFFFE else b""
        long = not vr or vr in LONG
        length_at = at + (4 if not vr else 8 if long else 6)
        value = length_at + (4 if long else 2)
        if value > len(data):
            return
        (length,) = struct.unpack_from(f"{how.order}{'L' if long else 'H'}", data, length_at)
        opens = vr == b"SQ" or length == UNDEFINED or (tag == ITEM and not in_pixels)
        in_pixels = (in_pixels or tag == PIXELS) if tag != SEQUENCE_END else False
        end = value if opens else min(len(data), value + length)
        yield Element(tag, at, length_at, value - length_at, value, end)
        at = end


@st.composite
def dicom(draw: Draw) -> tuple[str, bytes]:
    """A spoilt DICOM object, and the name of its file."""
    name = draw(st.sampled_from(sorted(dicom_seeds())))
    data, coding = dicom_seeds()[name], CODINGS.get(name, Coding())
    if name == "deflated":
        data = dicom_seeds()["plain"].replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99", 1)
        data = data[:140] + struct.pack("<L", struct.unpack_from("<L", data, 140)[0] + 2) + data[144:]
        at = next(one.length_at for one in walk(data, coding) if one.tag == 0x00020010)
        data = data[:at] + b"\x16\0" + data[at + 2 :]
    data = _spoilt(draw, data, coding)
    if name == "deflated":
        start = 144 + struct.unpack_from("<L", data.ljust(144, b"\0"), 140)[0]
        packer = zlib.compressobj(1, wbits=-zlib.MAX_WBITS)
        data = data[:start] + packer.compress(data[start:]) + packer.flush()
        if draw(st.booleans()):
            data = _bytes_changed(draw, data)
    return f"{name}.dcm", data


@st.composite
def directories(draw: Draw) -> tuple[str, bytes]:
    """A spoilt DICOMDIR."""
    return "DICOMDIR", _spoilt(draw, directory_seed(), Coding())


@st.composite
def pictures(draw: Draw) -> tuple[str, bytes]:
    """A spoilt picture or NIfTI volume."""
    name = draw(st.sampled_from(sorted(picture_seeds())))
    data = picture_seeds()[name]
    for _ in range(draw(st.integers(1, 3))):
        change = draw(st.sampled_from([_bytes_changed, _bytes_changed, _cut, _numbers_changed, _concatenated]))
        data = change(draw, data)
    return name, _checksums_mended(data) if name.endswith(".png") and draw(st.booleans()) else data


@st.composite
def archives(draw: Draw) -> tuple[str, bytes]:
    """A zip archive of sound and spoilt files under hostile names, itself spoilt or not."""
    names = st.sampled_from(NAMES)
    content = st.one_of(
        st.sampled_from([*dicom_seeds().values(), *picture_seeds().values(), b"", b"PK\x03\x04nothing"]),
        st.builds(lambda pair: pair[1], st.one_of(dicom(), pictures())),
        st.just(zipped({"a.dcm": dicom_seeds()["plain"]})),
    )
    kinds = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
    members = draw(st.dictionaries(names, content, min_size=1, max_size=4))
    data = zipped(members, draw(st.sampled_from(kinds)))
    for _ in range(draw(st.integers(0, 2))):
        change = draw(st.sampled_from([_bytes_changed, _cut, _numbers_changed, _end_changed, _concatenated]))
        data = change(draw, data)
    return "a.zip", data


def _spoilt(draw: Draw, data: bytes, coding: Coding) -> bytes:
    for _ in range(draw(st.integers(1, 3))):
        change = draw(st.sampled_from(_CHANGES))
        data = change(draw, data, coding)
    return data


def _one(draw: Draw, data: bytes, coding: Coding, tags: set[int] | None = None) -> Element | None:
    found = [one for one in walk(data, coding) if tags is None or one.tag in tags]
    return draw(st.sampled_from(found)) if found else None


def _deleted(draw: Draw, data: bytes, coding: Coding) -> bytes:
    one = _one(draw, data, coding)
    return data if one is None else data[: one.start] + data[one.end :]


def _repeated(draw: Draw, data: bytes, coding: Coding) -> bytes:
    first, second = _one(draw, data, coding), _one(draw, data, coding)
    if first is None or second is None:
        return data
    return data[: second.start] + data[first.start : first.end] + data[second.start :]


def _value_changed(draw: Draw, data: bytes, coding: Coding, tags: set[int] | None = None) -> bytes:
    one = _one(draw, data, coding, tags)
    if one is None:
        return data
    value = draw(st.one_of(st.sampled_from(NASTY), st.binary(max_size=40)))
    return _with_value(data, one, coding, value)


def _with_value(data: bytes, one: Element, coding: Coding, value: bytes) -> bytes:
    order = "<" if one.tag >> 16 == 2 else coding.order
    value = value[:0xFFFE] if one.length_bytes == 2 else value
    stated = struct.pack(f"{order}{'H' if one.length_bytes == 2 else 'L'}", len(value))
    return data[: one.length_at] + stated + value + data[one.end :]


def _vr_changed(draw: Draw, data: bytes, coding: Coding) -> bytes:
    one = _one(draw, data, coding)
    if one is None or not coding.explicit:
        return data
    vr = draw(st.sampled_from(VRS))
    if draw(st.booleans()):  # the two letters only, so that the length is read from another place
        return data[: one.start + 4] + vr + data[one.start + 6 :]
    return data[: one.start] + coding.element(one.tag, vr, data[one.value : one.end]) + data[one.end :]


def _length_changed(draw: Draw, data: bytes, coding: Coding, tags: set[int] | None = None) -> bytes:
    one = _one(draw, data, coding, tags)
    if one is None:
        return data
    length = draw(st.one_of(st.sampled_from(LENGTHS), st.integers(0, 70_000)))
    form = "H" if one.length_bytes == 2 else "L"
    stated = struct.pack(f"{coding.order}{form}", length & (0xFFFF if form == "H" else UNDEFINED))
    return data[: one.length_at] + stated + data[one.length_at + one.length_bytes :]


def _size_changed(draw: Draw, data: bytes, coding: Coding) -> bytes:
    one = _one(draw, data, coding, SIZES)
    if one is None:
        return data
    number = struct.pack(f"{coding.order}H", draw(st.sampled_from(NUMBERS)))
    count = draw(st.sampled_from(COUNTS))
    if one.tag == 0x00280008 or draw(st.integers(0, 3)):
        return _with_value(data, one, coding, count if one.tag == 0x00280008 else number)
    # an object of one frame has no Number of Frames to be changed
    return data[: one.start] + coding.element(0x00280008, b"IS", count) + data[one.start :]


def _syntax_swapped(draw: Draw, data: bytes, coding: Coding) -> bytes:
    one = _one(draw, data, coding, {0x00020010})
    return data if one is None else _with_value(data, one, coding, draw(st.sampled_from(SYNTAXES)))


def _fragments_changed(draw: Draw, data: bytes, coding: Coding) -> bytes:
    """Offset table, fragments and delimiters of compressed pixels, or the pixels themselves."""
    tags = {ITEM, ITEM_END, SEQUENCE_END, PIXELS}
    kind = draw(st.sampled_from([_length_changed, _value_changed, _emptied, _offsets_changed]))
    return kind(draw, data, coding, tags)


def _emptied(draw: Draw, data: bytes, coding: Coding, tags: set[int]) -> bytes:
    one = _one(draw, data, coding, tags)
    return data if one is None else data[: one.start] + data[one.end :]


def _offsets_changed(draw: Draw, data: bytes, coding: Coding, tags: set[int]) -> bytes:
    one = _one(draw, data, coding, {ITEM})
    if one is None:
        return data
    offsets = draw(st.lists(st.sampled_from([0, 8, 500, UNDEFINED - 1, 0x7FFFFFFF]), max_size=5))
    return _with_value(data, one, coding, struct.pack(f"<{len(offsets)}L", *offsets))


def _nested(draw: Draw, data: bytes, coding: Coding) -> bytes:
    """Sequences in sequences, with their delimiters or without, or with wrong ones."""
    one = _one(draw, data, coding)
    if one is None:
        return data
    depth, closed = draw(st.sampled_from(DEPTHS)), draw(st.sampled_from(["all", "none", "items", "wrong"]))
    tag = draw(st.sampled_from([0x00081140, 0x52009230, 0x00409096, 0x00091010]))
    opening = coding.element(tag, b"SQ", b"", UNDEFINED) + coding.element(ITEM, b"", b"", UNDEFINED)
    item_end, end = coding.element(ITEM_END, b"", b""), coding.element(SEQUENCE_END, b"", b"")
    closing = {"all": item_end + end, "none": b"", "items": item_end, "wrong": end + item_end}[closed]
    return data[: one.start] + opening * depth + closing * depth + data[one.start :]


def _preamble_changed(draw: Draw, data: bytes, coding: Coding) -> bytes:
    return draw(st.sampled_from([data[132:], data[128:], b"II*\0" + data[4:], b"PK\3\4" + data[4:], b"\0" + data]))


def _bytes_changed(draw: Draw, data: bytes, coding: Coding | None = None) -> bytes:
    changed = bytearray(data)
    last = max(0, len(data) - 1)
    # most of a file is pixels, and most ways to break a reader lie in its header
    places = st.one_of(st.integers(0, min(last, 1500)), st.integers(0, last), st.integers(max(0, last - 100), last))
    for place, value in draw(st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=12)):
        changed[place : place + 1] = bytes([value])
    return bytes(changed)


def _numbers_changed(draw: Draw, data: bytes, coding: Coding | None = None) -> bytes:
    """A number of two, four or eight bytes in the header, in either order."""
    place = draw(st.integers(0, min(max(0, len(data) - 1), 600)))
    size, order = draw(st.sampled_from([2, 4, 8])), draw(st.sampled_from(["little", "big"]))
    value = draw(st.sampled_from([0, 1, -1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x7FF0000000000000])) & ((1 << 8 * size) - 1)
    return data[:place] + value.to_bytes(size, order) + data[place + size :]


def _end_changed(draw: Draw, data: bytes) -> bytes:
    """The directory of a zip stands at its end."""
    place = len(data) - draw(st.integers(1, 120))
    return data[: max(0, place)] + draw(st.binary(max_size=8)) + data[max(0, place) + 4 :]


def _cut(draw: Draw, data: bytes, coding: Coding | None = None) -> bytes:
    """Ends too early, or too late."""
    if draw(st.booleans()):
        return data[: draw(st.integers(0, len(data)))]
    return data + draw(st.sampled_from([b"\0", b"\0" * 5000, b"\xff" * 64, data[-300:]]))


def _concatenated(draw: Draw, data: bytes, coding: Coding | None = None) -> bytes:
    other: Sequence[bytes] = [dicom_seeds()["plain"], picture_seeds()["grey.png"], zipped({"a.dcm": b"nothing"})]
    return data + draw(st.sampled_from([data, *other]))


def _checksums_mended(data: bytes) -> bytes:
    """PNG chunks with the right checksum again, so that what was changed in them is believed."""
    out, at = data[:8], 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4])
        if at + 12 + length > len(data):
            break
        body = data[at + 4 : at + 8 + length]
        out += data[at : at + 4] + body + zlib.crc32(body).to_bytes(4)
        at += 12 + length
    return out + data[at:]


_CHANGES = [
    _deleted,
    _repeated,
    _value_changed,
    _value_changed,
    _vr_changed,
    _length_changed,
    _size_changed,
    _syntax_swapped,
    _fragments_changed,
    _nested,
    _preamble_changed,
    _bytes_changed,
    _cut,
    _concatenated,
]
FAMILIES = {"dicom": dicom(), "directory": directories(), "picture": pictures(), "archive": archives()}
