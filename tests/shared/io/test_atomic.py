from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.errors import DataError, RunError, UsageError
from shared.io.atomic import new_folder, read_json, write_array, write_bytes, writing


def test_a_folder_appears_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "below" / "out"
    with new_folder(target) as folder:
        (folder / "file").write_text("content")
        assert not target.exists()
    assert (target / "file").read_text() == "content"
    assert list(target.parent.iterdir()) == [target]


def test_a_file_has_the_mode_of_any_new_one_whatever_its_writer_gave_it(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with writing(tmp_path / "model.safetensors") as partial:
            partial.unlink()
            os.close(os.open(partial, os.O_CREAT | os.O_WRONLY, 0o600))  # as safetensors does
        write_bytes(tmp_path / "other", b"")
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()] == [0o640, 0o640]


def test_an_empty_folder_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with new_folder(tmp_path / "out") as folder:
        (folder / "file").touch()
    assert (tmp_path / "out" / "file").exists()


def test_nothing_is_left_of_a_folder_that_failed(tmp_path: Path) -> None:
    with pytest.raises(KeyError), new_folder(tmp_path / "out") as folder:
        (folder / "file").touch()
        raise KeyError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["file", "folder"])
def test_something_that_exists_is_not_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inside").touch()
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="exists and is not an empty folder"), new_folder(tmp_path / name):
        raise AssertionError("never entered")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # of a write the system names no file


def as_torch_does() -> None:
    try:
        full()
    except OSError as error:
        raise RuntimeError("[enforce fail at inline_container.cc:671]") from error


def as_rust_does() -> None:
    raise ValueError("Error while serializing: I/O error: No space left on device (os error 28)")


@pytest.mark.parametrize("refuse", [full, as_torch_does, as_rust_does])
def test_a_full_disk_is_an_error_that_names_the_file_and_leaves_the_old_one(
    refuse: Callable[[], None], tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(OSError, match="No space left") as caught, writing(path) as partial:
        partial.write_text("half of the n")
        refuse()
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_other_faults_stay_what_they_are(tmp_path: Path) -> None:
    for fault in (KeyError("defect"), DataError("a line")):
        with pytest.raises(type(fault)), writing(tmp_path / "file"):
            raise fault
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EMFILE])
def test_bytes_and_arrays_are_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    class Half(io.FileIO):
        def write(self, data: Any) -> int:
            super().write(bytes(data)[: len(data) // 2])
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "open", lambda path, mode: Half(path, mode))
    for write, content in ((write_bytes, b"content"), (write_array, np.ones(9))):
        with pytest.raises(OSError, match=os.strerror(number)) as caught:
            write(tmp_path / "file", content)  # type: ignore[operator]
        assert caught.value.filename == str(tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [None, "", '{"a": 1', "[]"])
def test_json_that_is_missing_or_cut_off_says_to_copy_it_again(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "a.json").write_text(content)
    with pytest.raises(RunError, match=r"a\.json.*; copy it again"):
        read_json(tmp_path / "a.json")
