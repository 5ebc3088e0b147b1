"""What a file is by its bytes, where it is none that is read: a name for it, and the way out.

A name says little: a HEIC picture is often called `.jpg`, and a login page that was saved in place of a download has
the name of the download.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from shared.io.structure import check_directory

Group = Literal["picture", "volume", "archive", "clutter", "pointer"]
"""What a file may hold: an image; an image of three dimensions or numbers; other files; nothing that is judged; or it
stands for a file that is elsewhere."""

MAX_MEMBERS = 100_000
"""Members of an archive in an archive whose names are looked at."""
HEAD_BYTES = 4096
"""Bytes that show what a file is: more than the headers of all kinds below, and a page of text."""
DOWNLOAD_AGAIN = "copy or download it again"
UNPACK = "unpack it first, and give the folder"
AS_PICTURE = "save it as PNG or JPEG"


@dataclass(frozen=True)
class FileKind:
    """A kind of file that is not read.

    Attributes:
        noun: Its name with an article ("a HEIC picture").
        group: What it may hold.
        way_out: What to do with it, as an imperative; empty where there is nothing to do.
    """

    noun: str
    group: Group
    way_out: str = ""

    @property
    def reason(self) -> str:
        """The reason of a refusal: what the file is and what to do, as the rest of a sentence ("is ...")."""
        return f"is {self.noun}" + (f"; {self.way_out}" if self.way_out else "")


@dataclass(frozen=True)
class Signature:
    """The bytes by which files of a kind are known.

    Attributes:
        kind: The kind of the files.
        magic: The bytes.
        offset: Where they stand.
    """

    kind: FileKind
    magic: bytes
    offset: int = 0

    def fits(self, head: bytes) -> bool:
        """Whether a file begins so."""
        return head.startswith(self.magic, self.offset)


EMPTY = FileKind("empty (0 bytes)", "pointer", DOWNLOAD_AGAIN)
GZIP = FileKind("compressed by gzip", "archive", "unpack it first")
TAR = FileKind("a tar archive", "archive", UNPACK)
ZIP = FileKind("a zip archive", "archive", UNPACK)
CUT_ZIP = FileKind(
    "a zip archive whose end is missing, as of a download that broke off", "archive", "download or copy it again"
)
HTML = FileKind(
    "a web page (HTML), as is saved where a download needs a login", "clutter", "download the file itself, logged in"
)
TEXT = FileKind("text and no image", "clutter")
LFS_POINTER = FileKind("a git-LFS pointer in place of the file", "pointer", "fetch the file: git lfs pull")
ANNEX_POINTER = FileKind("a git-annex pointer in place of the file", "pointer", "fetch the file: git annex get")
PROGRAM = FileKind("a program or library", "clutter")
OFFICE = FileKind("an Office document (Word, Excel or PowerPoint)", "clutter", "take the images out as PNG or JPEG")
VIDEO = FileKind("a video", "clutter", "save its frames as PNG or JPEG")
FONT = FileKind("a font", "clutter")
SOUND = FileKind("a sound", "clutter")
DATABASE = FileKind("a database", "clutter")
HEIC = FileKind("a HEIC picture, as phones take them", "picture", AS_PICTURE)
AVIF = FileKind("an AVIF picture", "picture", AS_PICTURE)
JPEG_2000 = FileKind("a JPEG 2000 picture", "picture", AS_PICTURE)
JPEG_XL = FileKind("a JPEG XL picture", "picture", AS_PICTURE)
GIF = FileKind("a GIF picture", "picture", AS_PICTURE)
SVG = FileKind("an SVG drawing", "picture", AS_PICTURE)
ICON = FileKind("an icon", "picture", AS_PICTURE)
NETPBM = FileKind("a Netpbm picture (PBM, PGM, PPM)", "picture", AS_PICTURE)
PDF = FileKind("a PDF document", "clutter", "save its pages or images as PNG (pdfimages -png)")

SIGNATURES = (
    Signature(PDF, b"%PDF-"),
    Signature(GIF, b"GIF87a"),
    Signature(GIF, b"GIF89a"),
    Signature(ICON, b"\0\0\1\0"),
    Signature(ICON, b"\0\0\2\0"),
    Signature(ICON, b"icns"),
    Signature(JPEG_2000, b"\0\0\0\x0cjP  \r\n"),
    Signature(JPEG_2000, b"\xff\x4f\xff\x51"),
    Signature(JPEG_XL, b"\0\0\0\x0cJXL \r\n"),
    Signature(JPEG_XL, b"\xff\x0a"),
    Signature(FileKind("a Photoshop picture", "picture", AS_PICTURE), b"8BPS"),
    Signature(FileKind("a TIFF picture of more than 4 GiB (BigTIFF)", "picture", AS_PICTURE), b"II+\0"),
    Signature(FileKind("a TIFF picture of more than 4 GiB (BigTIFF)", "picture", AS_PICTURE), b"MM\0+"),
    Signature(FileKind("a DjVu document", "clutter", "save its pages as PNG"), b"AT&TFORM"),
    Signature(FileKind("a PostScript document", "clutter", "save its pages as PNG"), b"%!PS"),
    Signature(FileKind("an RTF document", "clutter", "take the images out as PNG or JPEG"), b"{\\rtf"),
    Signature(FileKind("a RAR archive", "archive", UNPACK), b"Rar!\x1a\x07"),
    Signature(FileKind("a 7z archive", "archive", UNPACK), b"7z\xbc\xaf\x27\x1c"),
    Signature(FileKind("an archive compressed by xz", "archive", UNPACK), b"\xfd7zXZ\0"),
    Signature(FileKind("an archive compressed by bzip2", "archive", UNPACK), b"BZh"),
    Signature(FileKind("an archive compressed by zstd", "archive", UNPACK), b"\x28\xb5\x2f\xfd"),
    Signature(FileKind("an archive compressed by compress", "archive", UNPACK), b"\x1f\x9d"),
    Signature(FileKind("one part of a zip archive in several parts", "archive", "join them first"), b"PK\x07\x08"),
    Signature(FileKind("a disc image (ISO 9660)", "archive", "open it, and give the folder"), b"CD001", 0x8001),
    Signature(TAR, b"ustar", 257),
    Signature(FileKind("a NumPy array", "volume", AS_PICTURE), b"\x93NUMPY"),
    Signature(FileKind("a MATLAB file", "volume", AS_PICTURE), b"MATLAB "),
    Signature(FileKind("an HDF5 file", "volume", AS_PICTURE), b"\x89HDF\r\n\x1a\n"),
    Signature(PROGRAM, b"MZ"),
    Signature(PROGRAM, b"\x7fELF"),
    Signature(PROGRAM, b"\xca\xfe\xba\xbe"),
    Signature(PROGRAM, b"\xcf\xfa\xed\xfe"),
    Signature(PROGRAM, b"\xce\xfa\xed\xfe"),
    Signature(PROGRAM, b"#!"),
    Signature(FileKind("an installer (CAB)", "clutter"), b"MSCF\0\0\0\0"),
    Signature(FileKind("an installer (CAB)", "clutter"), b"ISc("),
    Signature(FileKind("a help file", "clutter"), b"ITSF"),
    Signature(FileKind("a help file", "clutter"), b"\x3f\x5f\x03\0"),
    Signature(
        FileKind("an Office document, an installer or a list of thumbnails", "clutter", OFFICE.way_out),
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    ),
    Signature(FileKind("a shortcut", "clutter", "give the file or folder that it leads to"), b"L\0\0\0\1\x14\2\0"),
    Signature(FileKind("a property list", "clutter"), b"bplist"),
    Signature(DATABASE, b"SQLite format 3\0"),
    Signature(DATABASE, b"Standard Jet DB", 4),
    Signature(FONT, b"\0\1\0\0\0"),
    Signature(FONT, b"OTTO\0"),
    Signature(FONT, b"ttcf"),
    Signature(FONT, b"wOFF"),
    Signature(FONT, b"wOF2"),
    Signature(VIDEO, b"\x1aE\xdf\xa3"),
    Signature(VIDEO, b"\0\0\1\xba"),
    Signature(VIDEO, b"\0\0\1\xb3"),
    Signature(VIDEO, b"FLV\1"),
    Signature(VIDEO, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),
    Signature(VIDEO, b"AVI ", 8),
    Signature(SOUND, b"WAVE", 8),
    Signature(SOUND, b"ID3"),
    Signature(SOUND, b"OggS"),
    Signature(SOUND, b"fLaC"),
    Signature(FileKind("a Flash film", "clutter"), b"FWS"),
    Signature(FileKind("a Flash film", "clutter"), b"CWS"),
)
"""First bytes by kind. Source: the magic database of file(1), and the specifications of the formats."""
BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), HEIC),
    **dict.fromkeys((b"avif", b"avis"), AVIF),
}
"""Brands of ISO media files (ISO 14496-12, 4.3) that are pictures, by HEIF (ISO 23008-12) and AVIF; others are
videos."""
OFFICE_MARKS = ("[Content_Types].xml",)
"""Members by which an Office document is known (ECMA-376, part 2)."""
OPEN_DOCUMENT = b"application/vnd.oasis.opendocument"
HTML_TAGS = (b"!doctype html", b"html", b"head", b"body", b"title", b"script", b"meta")
CONTROL = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]")
"""Bytes that no text has, in whatever single-byte or multi-byte code; escape begins Japanese shifts."""
NETPBM_START = re.compile(rb"P[1-7]\s")


def identify(data: bytes, more: Sequence[Signature] = ()) -> FileKind | None:
    """Says what a file is that is none of those which are read.

    Args:
        data: The bytes of the whole file: a zip archive is known by its end.
        more: Signatures of the application, which are tried first.

    Returns:
        The kind; None where the bytes do not show it.
    """
    head = data[:HEAD_BYTES]
    if not head:
        return EMPTY
    for one in (*more, *SIGNATURES):
        if one.fits(data if one.offset >= HEAD_BYTES else head):
            return one.kind
    if head[4:8] == b"ftyp":
        return _media(head)
    if head.startswith(b"\x1f\x8b"):
        return _within_gzip(data, more)
    if head.startswith(b"PK\x03\x04"):
        return _zip(data)
    return _text(head)


def document_of(members: Sequence[str], head: bytes) -> FileKind | None:
    """Says what document a zip archive is.

    Args:
        members: Names of its members.
        head: Its first bytes.

    Returns:
        The kind; None where it is an archive like any other.
    """
    if any(mark in members for mark in OFFICE_MARKS) or OPEN_DOCUMENT in head[:HEAD_BYTES]:
        return OFFICE
    return PROGRAM if "META-INF/MANIFEST.MF" in members or "AndroidManifest.xml" in members else None


def gunzipped_head(data: bytes) -> bytes:
    """Returns the first bytes of a file, at most `HEAD_BYTES`: unpacked where gzip packed it, and is not damaged."""
    if not data.startswith(b"\x1f\x8b"):
        return data[:HEAD_BYTES]
    try:
        return zlib.decompressobj(wbits=31).decompress(data, HEAD_BYTES)
    except zlib.error:
        return b""


def names_in_zip(data: bytes) -> list[str]:
    """Lists the names of the members of a zip archive, given as bytes; empty where it is damaged or has too many."""
    try:
        check_directory(io.BytesIO(data), MAX_MEMBERS)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return archive.namelist()
    except Exception:  # as in `shared.io.archives`: zipfile raises nearly every kind on hostile bytes
        return []


def stated_suffix(name: str) -> str:
    """Returns the suffix of a file name with its dot, as `PurePosixPath.suffix` does, in a tenth of its time.

    Args:
        name: A path, or `archive.zip::member`.
    """
    last = name.rpartition("/")[2]
    dot = last.rfind(".")
    return last[dot:] if 0 < dot < len(last) - 1 else ""


def suffix_of(name: str) -> str:
    """Returns the suffix of a file name in lower case with its dot; empty where a number stands in its place.

    Args:
        name: A path, or `archive.zip::member`. DICOM files are often called `IM0001` or `1.2.840.10008.7`.
    """
    suffix = stated_suffix(name.rpartition("::")[2]).lower()
    return "" if suffix[1:].isdigit() else suffix


def _zip(data: bytes) -> FileKind:
    """A document that is a zip archive inside, an archive, or one that was cut off."""
    members = names_in_zip(data)
    return document_of(members, data) or ZIP if members else CUT_ZIP


def _media(head: bytes) -> FileKind:
    """A picture or video in an ISO media file, by its major brand and then by those it is compatible with."""
    end = int.from_bytes(head[:4])
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, min(end, len(head)), 4))]
    known = [BRANDS[brand] for brand in brands if brand in BRANDS]
    return AVIF if AVIF in known else known[0] if known else VIDEO


def _within_gzip(data: bytes, more: Sequence[Signature]) -> FileKind:
    """What gzip holds, by its first bytes; `GZIP` where they do not say, or are damaged."""
    head = gunzipped_head(data)
    if head.startswith(b"ustar", 257):
        return FileKind("a tar archive compressed by gzip", "archive", UNPACK)
    return next((one.kind for one in more if one.fits(head)), GZIP)


def _first_tag(head: bytes) -> bytes:
    """The first tag of a page or drawing, in lower case without its bracket; empty where something else comes first."""
    rest = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    while rest.startswith((b"<!--", b"<?")):
        end = b"-->" if rest.startswith(b"<!--") else b"?>"
        rest = rest.partition(end)[2].lstrip()
    return b" ".join(rest[1:40].lower().split()) if rest.startswith(b"<") else b""


def _text(head: bytes) -> FileKind | None:
    if head.startswith(b"version https://git-lfs.github.com/spec/"):
        return LFS_POINTER
    if head.startswith((b"/annex/objects/", b".git/annex/objects/")):
        return ANNEX_POINTER
    tag = _first_tag(head)
    if tag.startswith(HTML_TAGS):
        return HTML
    if tag.startswith((b"svg", b"!doctype svg")):
        return SVG
    if NETPBM_START.match(head):
        return NETPBM
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) and len(head) > 2 and head[2:4] != b"\0\0":
        return TEXT  # UTF-16, as Windows writes settings
    return None if CONTROL.search(head) else TEXT
