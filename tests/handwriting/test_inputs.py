from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from handwriting.inputs import read_inputs
from shared.errors import UsageError
from shared.io.pictures import synthetic_png_info


def picture(path: Path, kind: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = np.full((20, 16), 250, dtype=np.uint8)
    grey[4:16, 6:9] = 10
    Image.fromarray(grey).save(path, kind)
    return path


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif", ".webp"])
def test_each_format_is_one_item_with_one_slice(tmp_path: Path, suffix: str) -> None:
    path = picture(tmp_path / f"letter{suffix}")
    (item,) = read_inputs([path])
    assert (item.name, item.refusal, len(item.slices)) == (str(path), None, 1)
    assert item.slices[0].shape[:2] == (20, 16)
    assert item.slices[0].dtype == np.float32


def test_content_counts_and_not_the_name(tmp_path: Path) -> None:
    (item,) = read_inputs([picture(tmp_path / "letter.dat", "PNG")])
    assert item.refusal is None


def test_folders_and_zips_give_an_item_a_file_and_pass_over_what_lies_beside(tmp_path: Path) -> None:
    picture(tmp_path / "set" / "b.png")
    picture(tmp_path / "set" / "a" / "c.jpg")
    (tmp_path / "set" / "labels.csv").write_text("path,label")
    (tmp_path / "set" / "film.gif").write_bytes(b"GIF89a")
    archive = tmp_path / "set.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in (tmp_path / "set").rglob("*"):
            file.write(path, path.relative_to(tmp_path / "set"))
    for root, joint in ((tmp_path / "set", "/"), (archive, "::")):
        found = list(read_inputs([root]))
        assert [item.name for item in found] == [f"{root}{joint}{name}" for name in ("a/c.jpg", "b.png", "film.gif")]
        assert [item.refusal is None for item in found] == [True, True, False]


def test_missing_path_is_an_error_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        read_inputs([picture(tmp_path / "a.png"), tmp_path / "b.png"])


def test_whatever_else_is_given_is_refused_in_one_line(tmp_path: Path) -> None:
    whole = picture(tmp_path / "whole.png").read_bytes()
    Image.new("L", (3, 30), 7).save(tmp_path / "tiny.png")
    Image.new("L", (30, 30), 7).save(tmp_path / "blank.png")
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "scan.dcm").write_bytes(bytes(128) + b"DICM" + bytes(50))
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04" + bytes(40))
    (tmp_path / "hollow").mkdir()
    with zipfile.ZipFile(tmp_path / "hollow.zip", "w"):
        pass
    given = sorted(path for path in tmp_path.iterdir() if path.name != "whole.png")
    found = list(read_inputs(given))
    assert [item.name for item in found] == [str(path) for path in given]
    for item in found:
        assert item.refusal, item.name
        assert "\n" not in item.refusal
        assert not item.slices


def test_archive_bomb_is_refused_by_its_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.png", bytes(200_000))
    monkeypatch.setattr("shared.io.archives.MAX_ARCHIVE_BYTES", 100_000)
    (item,) = read_inputs([bomb])
    assert "unpacks to more" in str(item.refusal)


@pytest.mark.parametrize("seed", range(30))
def test_random_bytes_behind_any_signature_never_raise(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    head = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"BM", b"II*\0", b"MM\0*", b"PK\x03\x04")[seed % 6]
    path = tmp_path / "x"
    path.write_bytes(head + rng.bytes(300))
    (item,) = read_inputs([path])
    assert item.refusal


def test_programs_beside_pictures_are_passed_over_and_other_pictures_named(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(50))
    (tmp_path / "README").write_text("read me")
    (tmp_path / "b.jpg").write_bytes(b"\0\0\0\x1cftypheic" + bytes(16))
    (tmp_path / "c.png").write_text("<html>log in</html>")
    (tmp_path / "far.png").symlink_to(tmp_path.parent / "nowhere.png")
    good, *others = read_inputs([tmp_path])
    assert good.refusal is None
    assert [Path(item.name).name for item in others] == ["b.jpg", "c.png", "far.png"]
    for item, words in zip(others, ("a HEIC picture", "a web page", "leads nowhere"), strict=True):
        assert words in (item.refusal or "")


def test_zip_of_windows_is_read_and_an_encrypted_one_is_one_line(tmp_path: Path) -> None:
    data = picture(tmp_path / "a.png").read_bytes()
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("set\\a.png", data)
    (item,) = read_inputs([path])
    assert (item.name, item.refusal) == (f"{path}::set/a.png", None)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    (item,) = read_inputs([path])
    assert "password" in (item.refusal or "")


@pytest.mark.parametrize("synthetic", [True, False])
def test_a_picture_says_whether_a_program_made_it(tmp_path: Path, synthetic: bool) -> None:
    path = picture(tmp_path / "letter.png")
    if synthetic:
        with Image.open(path) as image:
            image.save(path, pnginfo=synthetic_png_info())
    (item,) = read_inputs([path])
    assert item.synthetic is synthetic
