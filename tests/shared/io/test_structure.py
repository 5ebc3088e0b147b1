"""Structures that would keep a decoder busy, or fill the memory, are refused before it begins."""

from __future__ import annotations

import io
import struct
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared.errors import DataError
from shared.io import archives
from shared.io.archives import list_sources
from shared.io.kinds import names_in_zip
from shared.io.pictures import read_picture
from shared.io.structure import MAX_PAGES, MAX_SCANS, has_many_scans

GREY = np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)


def encoded(kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(GREY).save(stream, kind, **options)
    return stream.getvalue()


def of_many_scans(scans: int, data: bytes) -> bytes:
    """A progressive JPEG with a last scan that is repeated."""
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * scans + data[-2:]


def test_a_jpeg_of_very_many_scans_is_refused_before_it_is_decoded() -> None:
    sound = encoded("JPEG", progressive=True)
    assert read_picture(sound, "white").shape == (64, 64)
    begun = time.process_time()
    with pytest.raises(DataError, match=f"more than {MAX_SCANS} scans"):
        read_picture(of_many_scans(20_000, sound), "white")
    assert time.process_time() - begun < 1


def test_scans_of_a_preview_and_behind_the_end_do_not_count() -> None:
    sound = encoded("JPEG", progressive=True)
    preview = b"\xff\xe1" + struct.pack(">H", 2 + 20 * 400) + b"\xff\xda\x00\x02" * 2000
    for data in (sound[:2] + preview + sound[2:], sound + b"\xff\xda\x00\x02" * 2000):
        assert not has_many_scans(data)


def test_a_tiff_of_very_many_pages_is_refused_before_they_are_read() -> None:
    sound = encoded("TIFF")
    pages = b"".join(struct.pack("<HL", 0, len(sound) + 6 * number) for number in range(1, 200_000))
    (first,) = struct.unpack_from("<L", sound, 4)
    following = first + 2 + 12 * struct.unpack_from("<H", sound, first)[0]
    data = sound[:following] + struct.pack("<L", len(sound)) + sound[following + 4 :] + pages
    with pytest.raises(DataError, match=f"more than {MAX_PAGES} pages"):
        read_picture(data, "white")


@pytest.mark.parametrize("kind", ["TIFF", "PNG"])
def test_fields_that_stand_for_the_whole_file_each_are_refused(kind: str) -> None:
    fields = b"".join(struct.pack("<HHLL", 40_000 + tag, 1, 100_000, 8) for tag in range(20_000))
    tiff = b"II*\0" + struct.pack("<LH", 8, 20_000) + fields + bytes(4)
    data = tiff if kind == "TIFF" else encoded("PNG", exif=b"Exif\0\0" + tiff)
    with pytest.raises(DataError, match="its fields have 2000000000 bytes"):
        read_picture(data, "white")


def test_a_zip_of_too_many_members_is_refused_before_its_directory_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(30):
            archive.writestr(f"{number}.png", b"")
    assert len(list_sources(path)) == 30
    other = path.rename(tmp_path / "b.zip")
    monkeypatch.setattr(archives, "MAX_ARCHIVE_MEMBERS", 29)

    def never(*_: object) -> None:
        raise AssertionError("the directory was read")

    monkeypatch.setattr(archives, "_archive", never)
    with pytest.raises(DataError, match=r"b\.zip has more than 29 files"):
        list_sources(other)
    assert len(names_in_zip(other.read_bytes())) == 30
