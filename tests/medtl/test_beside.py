"""What lies beside a series: on a patient's disc, in a folder of downloads."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medtl.beside import passed_over_note
from medtl.inputs import read_inputs
from tests.medtl.test_inputs import known, only, refusal, write_slice

NOISE = bytes(range(1, 200)) * 3
HTML = b"<!DOCTYPE html><title>Log in</title>"


def picture(kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.tile(np.arange(0, 240, 5, dtype=np.uint8), (48, 1))).save(stream, kind)
    return stream.getvalue()


def archive(*names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        for name in names:
            made.writestr(name, NOISE)
    return stream.getvalue()


VIEWER: Mapping[str, bytes] = {
    "AUTORUN.INF": b"[autorun]\r\nopen=VIEWER\\viewer.exe",
    "README": b"Please start the viewer.",
    "INDEX.HTM": HTML,
    "VIEWER/viewer.exe": b"MZ" + NOISE,
    "VIEWER/lib.dll": b"MZ" + NOISE,
    "VIEWER/viewer": b"\x7fELF" + NOISE,
    "VIEWER/help.chm": b"ITSF" + NOISE,
    "VIEWER/fonts/a.ttf": b"\0\1\0\0\0" + NOISE,
    "VIEWER/settings.dat": NOISE,
    "VIEWER/cache": NOISE,
    "VIEWER/manual.pdf": b"%PDF-1.4",
    "VIEWER/viewer.jar": archive("META-INF/MANIFEST.MF", "a.class"),
    "VIEWER/skin.zip": archive("a.txt", "b.ini", "c.bin"),
    "VIEWER/icon.ico": b"\0\0\1\0\1\0" + NOISE,
    "VIEWER/logo.bmp": picture("BMP"),
    "VIEWER/splash.gif": picture("GIF"),
    "preview.jpg": b"",
}
PICTURES = 4


def disc(root: Path, extra: Mapping[str, bytes], suffix: str = "") -> Path:
    """A disc of three slices and other files, as a folder and as a zip beside it."""
    for number in (1, 2, 3):
        write_slice(root / "DICOM" / "PA1" / f"{number:08X}{suffix}", number, 5.0 * number)
    for name, data in extra.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    with zipfile.ZipFile(root.with_suffix(".zip"), "w") as made:
        for path in sorted(one for one in root.rglob("*") if one.is_file()):
            made.write(path, path.relative_to(root).as_posix().replace("/", "\\"))
    return root


@pytest.mark.parametrize("suffix", ["", ".dcm", ".1"])
@pytest.mark.parametrize("packed", [False, True])
def test_disc_is_its_series_and_the_rest_is_counted(tmp_path: Path, suffix: str, packed: bool) -> None:
    root = disc(tmp_path / "disc", VIEWER, suffix)
    item = only(root.with_suffix(".zip") if packed else root)
    assert known(item) == [1, 2, 3]
    assert item.notes == (passed_over_note(len(VIEWER), PICTURES),)
    assert f"pictures among them: {PICTURES}" in item.notes[0]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("DICOM/PA1/00000004", b""),
        ("DICOM/PA1/00000004", HTML),
        ("DICOM/PA1/00000004", b"version https://git-lfs.github.com/spec/v1\n"),
        ("DICOM/PA1/00000004", NOISE),
        ("DICOM/PA1/0000000A", picture()),
        ("DICOM/PA1/lost", NOISE),
    ],
)
def test_file_with_the_name_of_a_slice_is_a_slice_that_is_missing(tmp_path: Path, name: str, data: bytes) -> None:
    assert "1 of 4 slices cannot be read" in refusal(disc(tmp_path / "disc", {name: data}))


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("DICOM/PA2/00000001", NOISE, "neither DICOM"),
        ("DICOM/PA2/slice", NOISE, "neither DICOM"),
        ("VIEWER/demo.dcm", NOISE, "neither DICOM"),
        ("VIEWER/broken.bin", bytes(128) + b"DICM\2\0", ""),
        ("other.zip", HTML, "web page"),
        pytest.param("other.zip", archive("a.dcm")[:100], "whose end is missing", id="half-a-zip"),
        ("other.rar", b"Rar!\x1a\x07\1\0", "RAR archive"),
        ("brain.mgz", np.array([1, 40, 40, 10, 1, 0, 0], ">i4").tobytes() + bytes(100), "FreeSurfer"),
        ("brain.nii.gz", b"", "empty"),
    ],
)
def test_what_may_be_an_exam_is_said_beside_the_series(tmp_path: Path, name: str, data: bytes, words: str) -> None:
    root = disc(tmp_path / "disc", {name: data})
    for place in (root, root.with_suffix(".zip")):
        series, other = sorted(read_inputs([place]), key=lambda item: item.refusal is not None)
        assert known(series) == [1, 2, 3]
        assert other.refusal is not None
        assert words in other.refusal


def test_program_that_is_too_large_to_be_read_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = disc(tmp_path / "disc", {"VIEWER/setup.exe": b"MZ" + NOISE * 50, "other.dat": b"\2\0" + NOISE * 50})
    monkeypatch.setattr("shared.io.archives.MAX_FILE_BYTES", 20_000)
    for place in (root, root.with_suffix(".zip")):
        series, other = read_inputs([place])
        assert series.notes == (passed_over_note(1, 0),)
        assert "at most 20000 are read" in (other.refusal or "")


def test_zip_within_a_zip_that_may_hold_slices_is_said(tmp_path: Path) -> None:
    root = disc(tmp_path / "disc", {"VIEWER/more.zip": archive("a.dcm")})
    series, other = read_inputs([root.with_suffix(".zip")])
    assert known(series) == [1, 2, 3]
    assert "archive in an archive" in (other.refusal or "")


def test_pictures_without_a_series_are_judged_and_clutter_beside_them_is_not(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture())
    (tmp_path / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + NOISE)
    (tmp_path / "start.exe").write_bytes(b"MZ" + NOISE)
    (tmp_path / "b.jpg").write_bytes(b"")
    good, empty = read_inputs([tmp_path])
    assert len(good.slices) == 1
    assert "empty" in (empty.refusal or "")


def test_series_of_another_part_is_refused_and_icons_are_not_judged_in_its_place(tmp_path: Path) -> None:
    write_slice(tmp_path / "IM1", 1, BodyPartExamined="KNEE")
    (tmp_path / "logo.png").write_bytes(picture())
    item = only(tmp_path)
    assert item.refusal is not None
    assert item.notes == (passed_over_note(1, 1),)


def test_links_of_a_series_that_lead_out_are_named_and_it_is_not_whole(tmp_path: Path) -> None:
    root = disc(tmp_path / "disc", {})
    outside = write_slice(tmp_path / "elsewhere" / "00000004", 4, 20.0)
    (root / "DICOM" / "PA1" / "00000004").symlink_to(outside)
    (root / "more").symlink_to(outside.parent)
    series, *links = read_inputs([root])
    assert "1 of 4 slices cannot be read" in (series.refusal or "")
    assert [Path(one.name).name for one in links] == ["00000004", "more"]
    assert all("leads out of the folder" in (one.refusal or "") for one in links)


def test_links_within_the_folder_are_followed_once(tmp_path: Path) -> None:
    root = disc(tmp_path / "disc", {})
    (root / "again").symlink_to("DICOM")
    (root / "DICOM" / "up").symlink_to("..")
    assert known(only(root)) == [1, 2, 3]
