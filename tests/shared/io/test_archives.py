from __future__ import annotations

import errno
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


def test_links_within_a_folder_are_followed_and_others_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "x.png").write_text("secret")
    store = folder / ".store" / "objects"
    store.mkdir(parents=True)
    (store / "3.png").write_text("three")
    (folder / "a" / "3.png").symlink_to(store / "3.png")  # as git-annex and DataLad keep files
    (folder / "c").symlink_to(".store/objects")
    (folder / "same").symlink_to("a")
    (folder / "b" / "round").symlink_to("..")
    (folder / "self").symlink_to("self")
    (folder / "out").symlink_to(tmp_path / "secret")
    (folder / "lost.png").symlink_to("nowhere.png")
    listed = sources.list_all(folder)
    assert [Path(one).relative_to(folder).as_posix() for one in listed.sources] == ["a/1.png", "b/2.png", "c/3.png"]
    assert [(Path(name).name, reason) for name, reason in listed.unread] == [
        ("lost.png", sources.LINK_NOWHERE),
        ("out", sources.LINK_OUTSIDE),
        ("self", sources.LINK_NOWHERE),
    ]


def test_folder_given_by_a_link_is_read(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    assert [Path(one).name for one in sources.list_sources(tmp_path / "link")] == ["1.png", "2.png"]


def test_closed_folder_below_is_named_and_the_rest_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def closed(path: Path) -> object:
        if Path(path).name == "a":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    listed = sources.list_all(folder)
    assert [Path(one).name for one in listed.sources] == ["2.png"]
    assert listed.unread == [(str(folder / "a"), "cannot be listed: you may not read it; ask its owner")]


def test_backslashes_of_windows_are_slashes(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("a\\b\\1.png", "a\\", "c/2.png", "..\\..\\out.png", "/etc/3.png", "./d//4.png", "."):
            archive.writestr(name, name)
    assert sources.list_sources(path) == [
        f"{path}::{name}" for name in ("a/b/1.png", "c/2.png", "d/4.png", "etc/3.png", "out.png")
    ]
    assert sources.read_source(f"{path}::a/b/1.png") == b"a\\b\\1.png"
    assert sources.exists(sources.join(path, "a/b/1.png"))


def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/1.png", "one")
        archive.writestr("a\\1.png", "two")
    with pytest.raises(DataError, match="two members of one name"):
        sources.list_sources(path)


def with_header(path: Path, at: int, value: int, member: int = 0) -> None:
    """Writes a number of two bytes into the entry of a member in the directory of a zip."""
    data = bytearray(path.read_bytes())
    entry = -1
    for _ in range(member + 1):
        entry = data.index(b"PK\x01\x02", entry + 1)
    data[entry + at : entry + at + 2] = value.to_bytes(2, "little")
    path.write_bytes(data)


@pytest.mark.parametrize(("at", "value"), [(8, 1), (10, 99)])
def test_encrypted_zip_is_one_line_with_the_word_password(tmp_path: Path, at: int, value: int) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("1.png", "one")
        archive.writestr("2.png", "two")
    with_header(path, at, value, member=1)
    for read in (sources.list_sources, sources.archive_bytes):
        with pytest.raises(DataError, match=r"^a\.zip is protected by a password \(1 of its 2 files\); unpack it"):
            read(path)
    with pytest.raises(DataError, match="password"):
        sources.read_source(f"{path}::1.png")


def test_packing_that_is_not_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("1.png", "one")
    with_header(path, 10, 9)
    with pytest.raises(DataError, match="packed by Deflate64"):
        sources.list_sources(path)


def test_what_is_no_zip_is_named(tmp_path: Path, archive: Path) -> None:
    path = tmp_path / "download.zip"
    path.write_bytes(archive.read_bytes()[:-60])
    with pytest.raises(DataError, match="zip archive whose end is missing"):
        sources.list_sources(path)
    path.write_bytes(archive.read_bytes()[60:])
    with pytest.raises(DataError, match="zip archive whose beginning is missing"):
        sources.list_sources(path)
    path.write_bytes(b"<!DOCTYPE html><title>Log in</title>")
    with pytest.raises(DataError, match="a web page"):
        sources.list_sources(path)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("[Content_Types].xml", "")
    with pytest.raises(DataError, match="an Office document"):
        sources.list_sources(path)


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.EMFILE, "too many files are open"), (errno.EACCES, "may not read"), (errno.EIO, "disk")],
)
def test_fault_of_the_system_is_no_damage_of_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    def fail(path: Path) -> bytes:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(DataError, match=words):
        sources.read_source(str(folder / "a" / "1.png"))


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
    for content, said in ((b"text", "neither a folder nor a zip"), (b"%PDF-", "is a PDF document; save its pages")):
        (tmp_path / "file").write_bytes(content)
        with pytest.raises(DataError, match=said):
            sources.list_sources(tmp_path / "file")


def test_bounds_are_checked_before_unpacking(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_FILE_BYTES", 100)
    with pytest.raises(DataError, match="3000 bytes"):
        sources.read_source(f"{archive}::b/2.png")
    sources._directory.cache_clear()
    monkeypatch.setattr(sources, "MAX_ARCHIVE_MEMBERS", 2)
    with pytest.raises(DataError, match="more than 2 files"):
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
    assert sources.without_name(str(caught.value)) == sources.without_name("the picture is damaged")
    assert sources.without_name("""it's damaged, in "/a, in 'b'" """) == "it's damaged"
    assert "\x1b" not in str(caught.value)
    with pytest.raises(DataError, match=r"FileNotFoundError\), in '.*nothing\.png'$"):
        sources.hash_sources([f"{archive}::a/1.png", str(tmp_path / "nothing.png")])


def test_folder_that_cannot_be_listed_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> list[Path]:
        raise PermissionError

    monkeypatch.setattr(os, "scandir", refuse)
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
