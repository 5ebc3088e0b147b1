from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from shared.errors import RunError
from shared.io.array_store import ArrayStore, alone_in, cache_folder

NAMES = [f"row-{i}" for i in range(6)]
ROWS = np.arange(12, dtype=np.float32).reshape(6, 2)


def _filled(folder: Path) -> ArrayStore:
    """A store with its rows in two pieces."""
    store = ArrayStore(folder)
    with store.adding(NAMES[:4]) as add:
        add(ROWS[:1])
        add(ROWS[1:4])
    with store.adding(NAMES[4:]) as add:
        add(ROWS[4:])
    return store


def test_rows_come_back_in_any_order_from_any_piece(tmp_path: Path) -> None:
    _filled(tmp_path)
    order = [5, 0, 1, 2, 4]
    rows = ArrayStore(tmp_path).rows([NAMES[i] for i in order])
    assert (rows.shape, rows.dtype) == ((5, 2), np.float32)
    assert np.array_equal(rows.block(0, 99), ROWS[order])
    assert np.array_equal(rows.block(1, 3), ROWS[[0, 1]])
    assert np.array_equal(rows.take(np.array([4, 0])), ROWS[[4, 5]])
    assert np.array_equal(rows.subset(np.array([3, 1])).block(0, 2), ROWS[[2, 0]])
    assert np.array_equal(rows.at(2), ROWS[1])


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    store = _filled(tmp_path)
    assert store.missing(["new", *NAMES, "newer"]) == [0, 7]
    assert ArrayStore(tmp_path / "empty").missing(NAMES) == list(range(6))


def test_an_interrupted_piece_leaves_nothing(tmp_path: Path) -> None:
    store = ArrayStore(tmp_path)
    with pytest.raises(KeyboardInterrupt), store.adding(NAMES) as add:
        add(ROWS[:3])
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    assert ArrayStore(tmp_path).missing(NAMES) == list(range(6))


def test_what_a_killed_process_left_unfinished_is_deleted(tmp_path: Path) -> None:
    _filled(tmp_path)
    (tmp_path / ".rows.npy.4711.partial").write_bytes(b"half of it")
    with alone_in(tmp_path):
        assert not list(tmp_path.glob(".*.partial"))
    assert ArrayStore(tmp_path).missing(NAMES) == []


def test_a_piece_that_was_cut_off_is_deleted(tmp_path: Path) -> None:
    _filled(tmp_path)
    (piece,) = [path for path in tmp_path.glob("*.npy") if path.stat().st_size > 128 + 3 * 8]
    piece.write_bytes(piece.read_bytes()[:-4])
    assert ArrayStore(tmp_path).missing(NAMES) == [0, 1, 2, 3]
    assert not piece.exists()


def test_a_piece_that_shrinks_while_it_is_read_is_said(tmp_path: Path) -> None:
    rows = _filled(tmp_path).rows(NAMES[:4])
    piece = rows.files[int(rows.file[0])]
    os.truncate(piece, piece.stat().st_size - 4)
    with pytest.raises(RunError, match="became shorter"):
        rows.block(0, 4)


def test_the_cache_lies_where_the_user_wants_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder("images") == tmp_path / "medtl" / "images"
