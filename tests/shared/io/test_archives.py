from __future__ import annotations

import os
import random
import zipfile
from pathlib import Path

import pytest

from shared.errors import DataError
from shared.io import archives as sources


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "data.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("b/2.png", b"two" * 1000)
        file.writestr("a/1.png", b"one")
        file.writestr("__MACOSX/a/1.png", b"clutter")
        file.writestr("a/.DS_Store", b"clutter")
    return path


@pytest.fixture
def folder(tmp_path: Path, archive: Path) -> Path:
    root = tmp_path / "folder"
    with zipfile.ZipFile(archive) as file:
        file.extractall(root)
    return root


def test_folder_and_archive_list_and_read_alike(archive: Path, folder: Path) -> None:
    contents = []
    for root in (archive, folder):
        listed = sources.list_sources(root)
        assert [str(sources.relative_name(source, root)) for source in listed] == ["a/1.png", "b/2.png"]
        assert [sources.join(root, "a/1.png"), sources.join(root, "b/2.png")] == listed
        assert all(sources.exists(source) for source in listed)
        assert not sources.exists(sources.join(root, "a/3.png"))
        contents.append([sources.read_source(source) for source in listed])
    assert contents[0] == contents[1] == [b"one", b"two" * 1000]


def test_hash_sees_content_and_order(archive: Path, folder: Path) -> None:
    one, two = sources.list_sources(archive)
    assert sources.hash_sources([one, two]) == sources.hash_sources(sources.list_sources(folder))
    assert sources.hash_sources([one, two]) != sources.hash_sources([two, one])


def test_links_are_not_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (folder / "a" / "link.png").symlink_to(tmp_path / "secret")
    assert len(sources.list_sources(folder)) == 2


def test_archive_replaced_on_disk_is_read_anew(archive: Path) -> None:
    source = f"{archive}::a/1.png"
    assert sources.read_source(source) == b"one"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a/1.png", b"another")
    assert sources.read_source(source) == b"another"


@pytest.mark.parametrize("position", [60, 45])
def test_damaged_member_is_refused(tmp_path: Path, position: int) -> None:
    path = tmp_path / "damaged.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.bin", os.urandom(50) + bytes(5000))
    data = bytearray(path.read_bytes())
    data[position : position + 8] = b"\xff" * 8
    path.write_bytes(data)
    with pytest.raises(DataError, match="cannot be read"):
        sources.read_source(f"{path}::a.bin")


def test_missing_things_are_refused(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no member"):
        sources.read_source(f"{archive}::c.png")
    with pytest.raises(DataError, match="FileNotFoundError"):
        sources.read_source(str(tmp_path / "nothing.png"))
    with pytest.raises(DataError, match="does not exist"):
        sources.list_sources(tmp_path / "nothing")
    (tmp_path / "text").write_text("text")
    with pytest.raises(DataError, match="neither a folder nor a zip"):
        sources.list_sources(tmp_path / "text")


def test_bounds_are_checked_before_unpacking(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_FILE_BYTES", 100)
    with pytest.raises(DataError, match="3000 bytes"):
        sources.read_source(f"{archive}::b/2.png")
    sources._directory.cache_clear()
    monkeypatch.setattr(sources, "MAX_ARCHIVE_MEMBERS", 2)
    with pytest.raises(DataError, match="unpacks to more"):
        sources.list_sources(archive)
    sources._directory.cache_clear()


def test_small_member_that_unpacks_to_far_more_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"\0" * 200_000)
        archive.writestr("noise", random.Random(0).randbytes(2000))
    assert len(sources.read_source(f"{path}::zeros")) == 200_000
    monkeypatch.setattr(sources, "FREE_BYTES", 1000)
    with pytest.raises(DataError, match="as no image of its size does"):
        sources.read_source(f"{path}::zeros")
    assert len(sources.read_source(f"{path}::noise")) == 2000


def test_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert not sources.is_archive(tmp_path / "pipe")
    with pytest.raises(DataError, match="no regular file"):
        sources.read_source(str(tmp_path / "pipe"))


def test_member_without_a_name_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    nameless = zipfile.ZipInfo("a")
    nameless.filename = ""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("b.png", b"something")
        with archive.open(nameless, "w") as member:
            member.write(b"nothing")
    assert sources.list_sources(path) == [f"{path}::b.png"]


def test_name_with_the_separator_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "a::b"
    root.mkdir()
    with pytest.raises(DataError, match="rename"):
        sources.list_sources(root)


def test_faults_are_counted_and_the_first_shown() -> None:
    message = str(sources.faults_error("rows are wrong", [f"row {i}: empty" for i in range(9)]))
    assert message.startswith("9 rows are wrong")
    assert "row 4" in message
    assert "row 5" not in message
    assert "4 more" in message


def test_fault_names_its_source_where_the_person_must_find_it(archive: Path, tmp_path: Path) -> None:
    hidden = f"{archive}::a\x1b[2J.png"
    with pytest.raises(DataError) as caught, sources.naming(hidden):
        raise DataError("the picture is damaged")
    assert str(caught.value) == f"the picture is damaged, in {hidden!r}"
    assert "\x1b" not in str(caught.value)
    with pytest.raises(DataError, match=r"FileNotFoundError\), in '.*nothing\.png'$"):
        sources.hash_sources([f"{archive}::a/1.png", str(tmp_path / "nothing.png")])


def test_folder_that_cannot_be_listed_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, pattern: str) -> list[Path]:
        raise PermissionError

    monkeypatch.setattr(Path, "rglob", refuse)
    with pytest.raises(DataError, match=r"^folder cannot be listed \(PermissionError\)$"):
        sources.list_sources(folder)


def test_archive_must_start_like_one(archive: Path, folder: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.dcm"
    report.write_bytes(bytes(128) + b"DICM" + archive.read_bytes())
    assert sources.is_zip(report)
    assert [sources.is_archive(path) for path in (archive, report, folder, tmp_path / "nothing")] == [
        True,
        False,
        False,
        False,
    ]


def test_side_files_are_known_by_their_suffix() -> None:
    assert [sources.is_side_file(name) for name in ("a/labels.CSV", "x.zip::a.txt", "a.png", "a.bval", "csv")] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert sources.is_side_file("a.bval", {".bval"})
