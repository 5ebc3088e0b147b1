from __future__ import annotations

import gzip
import io
import tarfile
import zipfile

import pytest

from shared.io.kinds import (
    CUT_ZIP,
    EMPTY,
    GZIP,
    HTML,
    LFS_POINTER,
    OFFICE,
    PROGRAM,
    SVG,
    TEXT,
    ZIP,
    identify,
    suffix_of,
)


def media(brand: bytes, *others: bytes) -> bytes:
    box = b"ftyp" + brand + bytes(4) + b"".join(others)
    return (4 + len(box)).to_bytes(4) + box


def zipped(*names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, "x" * 200)
    return stream.getvalue()


def tarred() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a"), io.BytesIO())
    return stream.getvalue()


@pytest.mark.parametrize(
    ("data", "noun", "group"),
    [
        (media(b"heic"), "a HEIC picture, as phones take them", "picture"),
        (media(b"mif1", b"mif1", b"avif"), "an AVIF picture", "picture"),
        (media(b"isom", b"mp41"), "a video", "clutter"),
        (media(b"qt  "), "a video", "clutter"),
        (b"RIFF\1\1\1\1AVI ", "a video", "clutter"),
        (b"GIF89a\1\0", "a GIF picture", "picture"),
        (b"<?xml version='1.0'?>\n<!-- x -->\n<svg>", "an SVG drawing", "picture"),
        (b"\0\0\1\0\1\0", "an icon", "picture"),
        (b"%PDF-1.7", "a PDF document", "clutter"),
        (b"Rar!\x1a\x07\1\0", "a RAR archive", "archive"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "archive"),
        (tarred(), "a tar archive", "archive"),
        (gzip.compress(tarred(), mtime=0), "a tar archive compressed by gzip", "archive"),
        (b"\x93NUMPY\1", "a NumPy array", "volume"),
        (b"MATLAB 5.0 MAT-file", "a MATLAB file", "volume"),
        (b"MZ\x90\0", "a program or library", "clutter"),
        (b"\x7fELF\2", "a program or library", "clutter"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Office document, an installer or a list of thumbnails", "clutter"),
        (b"ITSF\3\0", "a help file", "clutter"),
        (b"\0\1\0\0\0\x12", "a font", "clutter"),
        (b"PK\x07\x08PK\x03\x04", "one part of a zip archive in several parts", "archive"),
    ],
)
def test_kinds_are_known_by_their_bytes(data: bytes, noun: str, group: str) -> None:
    kind = identify(data)
    assert kind is not None
    assert (kind.noun, kind.group) == (noun, group)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", EMPTY),
        (b"\n <!DOCTYPE HTML><html>", HTML),
        (b"<!-- saved --><html lang='en'>", HTML),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", LFS_POINTER),
        (b"<svg xmlns=''>", SVG),
        (b"<!-- -->" * 600, TEXT),
        (b" " * 5000, TEXT),
        (b"\xef\xbb\xbf<?xml version='1.0'?><!DOCTYPE svg><svg>", SVG),
        ("Bitte zuerst lesen: Größe".encode("latin-1"), TEXT),
        ("設定".encode("utf-16"), TEXT),
        ("はじめに".encode("iso2022_jp"), TEXT),
        (gzip.compress(b"anything", mtime=0), GZIP),
        (gzip.compress(b"anything" * 1000, mtime=0)[:9], GZIP),
        (zipped("a.txt"), ZIP),
        (zipped("a.txt", "b.txt")[:300], CUT_ZIP),
        (zipped("[Content_Types].xml", "ppt/slides/1.xml"), OFFICE),
        (zipped("META-INF/MANIFEST.MF"), PROGRAM),
        (bytes(500), None),
        (bytes(range(1, 200)), None),
    ],
)
def test_pointers_texts_and_archives(data: bytes, expected: object) -> None:
    assert identify(data) == expected


def test_reason_says_the_way_out() -> None:
    assert LFS_POINTER.reason == "is a git-LFS pointer in place of the file; fetch the file: git lfs pull"
    assert TEXT.reason == "is text and no image"


def test_number_is_no_suffix() -> None:
    assert [suffix_of(name) for name in ("a/B.DCM", "x.zip::IM0001", "1.2.840.7", "v.nii.gz")] == [
        ".dcm",
        "",
        "",
        ".gz",
    ]
