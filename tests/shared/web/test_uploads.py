"""Uploads are private, bounded, and deleted when they expire."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from medtl.cli import app
from shared.errors import UsageError
from shared.web import uploads
from shared.web.uploads import StoreFull, UploadStore
from tests.shared.cli.calling import call


def test_an_upload_is_private_and_goes_by_a_random_name(tmp_path: Path) -> None:
    store = UploadStore(60, tmp_path / "root")
    first, second = store.new(), store.new()
    assert first.name != second.name
    assert len(first.name) >= 22
    assert all(path.stat().st_mode & 0o077 == 0 for path in (first.folder, first.files, store.folder))
    assert store.get(first.name) is first
    assert store.get("../" + first.name) is None


def test_what_is_due_is_deleted_and_what_a_worker_wrote_after_that(tmp_path: Path) -> None:
    store = UploadStore(0, tmp_path / "root")
    due = store.new()
    store.keep_s = 60
    kept = store.new()
    store.sweep()
    assert store.get(due.name) is None
    assert (due.state, due.finished.is_set()) == ("failed", True)
    due.folder.mkdir()
    store.sweep()
    assert not due.folder.exists()
    assert kept.folder.exists()


def test_bounds_of_number_and_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_UPLOADS", 1)
    monkeypatch.setattr(uploads, "MAX_STORE_BYTES", 1000)
    store = UploadStore(60, tmp_path / "root")
    upload = store.new()
    (upload.files / "a").write_bytes(b"x" * 400)
    upload.finish()
    assert store.free_bytes == 600
    with pytest.raises(StoreFull, match="1 uploads are held"):
        store.new()
    store.delete(upload)
    assert store.free_bytes == 1000


def test_what_a_killed_server_left_is_deleted_and_what_a_living_one_holds_is_not(tmp_path: Path) -> None:
    root = tmp_path / "root"
    killed, living = UploadStore(60, root), UploadStore(60, root)
    left, held = killed.new(), living.new()
    os.close(killed._lock)  # as when the process ends
    UploadStore(60, root).close()
    assert not left.folder.exists()
    assert held.folder.exists()


def test_any_command_deletes_what_a_killed_server_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    killed, living = UploadStore(60), UploadStore(60)
    left, held = killed.new(), living.new()
    os.close(killed._lock)
    late = killed.folder.parent / "written-late"
    late.mkdir()  # by a process that outlived its server
    assert call(app, "models").exit_code == 0
    assert not left.folder.exists()
    assert not late.exists()
    assert held.folder.exists()


def test_all_is_deleted_at_the_end(tmp_path: Path) -> None:
    store = UploadStore(60, tmp_path / "root")
    store.new()
    store.close()
    assert list((tmp_path / "root").iterdir()) == []


def test_a_folder_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir(mode=0o755)
    with pytest.raises(UsageError, match="read by other users"):
        UploadStore(60, tmp_path / "root")
