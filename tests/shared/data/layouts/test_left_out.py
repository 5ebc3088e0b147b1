"""Files of a dataset that are not read: their kinds are told in notes, with the way out."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from shared.data.layouts import COLUMNS, Search, find_layout
from shared.errors import DataError
from shared.io.pictures import is_picture

SEARCH = Search(columns=COLUMNS, is_image=is_picture, is_class=lambda name: name in "ab", example="a/")
HEIC = b"\0\0\0\x1cftypheic"


def fill(root: Path, **files: bytes) -> Path:
    for name, data in files.items():
        path = root / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def test_pictures_of_other_formats_and_links_are_told_in_notes(tmp_path: Path) -> None:
    root = fill(tmp_path / "set", a__1_png=b"x", a__2_heic=HEIC, b__1_webp=b"x", b__2_heic=HEIC, b__start_exe=b"MZ")
    (root / "b" / "far.png").symlink_to(tmp_path / "nowhere.png")
    layout = find_layout(root, SEARCH)
    assert sorted(entry.path for entry in layout.entries) == ["a/1.png", "b/1.webp"]
    assert layout.notes[-2:] == (
        "2 file(s) left out: each is a HEIC picture, as phones take them; save it as PNG or JPEG.",
        "1 link(s) or folder(s) lead out of the folder, or nowhere, and were not read: copy what they lead to.",
    )


def test_no_layout_names_what_lies_there(tmp_path: Path) -> None:
    root = fill(tmp_path / "set", a__1_heic=HEIC, b__1_heic=HEIC)
    with pytest.raises(DataError, match=r"no layout that is known \(2 file\(s\) left out: each is a HEIC picture"):
        find_layout(root, SEARCH)


def test_documents_are_told_only_where_nothing_else_is_there(tmp_path: Path) -> None:
    root = fill(tmp_path / "set", a__1_pdf=b"%PDF-1.7", b__1_pdf=b"%PDF-1.7", README_txt=b"read me")
    with pytest.raises(DataError, match=r"known \(2 file\(s\) left out: each is a PDF document; save its pages [^)]*"):
        find_layout(root, SEARCH)
    fill(root, a__1_png=b"x", b__1_png=b"x")
    assert not any("PDF" in note for note in find_layout(root, SEARCH).notes)


def test_zip_of_windows_is_read_as_the_tree_that_it_holds(tmp_path: Path) -> None:
    for name, slash in (("windows", "\\"), ("others", "/")):
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            for path in ("set/a/1.png", "set/b/1.png"):
                archive.writestr(path.replace("/", slash), path)
    windows, others = (find_layout(tmp_path / f"{name}.zip", SEARCH) for name in ("windows", "others"))
    assert windows.entries == others.entries
    assert [windows.file(entry.path) for entry in windows.entries] == [
        f"{tmp_path / 'windows.zip'}::set/{name}/1.png" for name in "ab"
    ]
