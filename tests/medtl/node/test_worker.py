from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from medtl.node.worker import SeriesFailed, SeriesWorker


def test_a_fault_is_told_by_its_kind_and_the_next_series_is_judged(tmp_path: Path) -> None:
    worker = SeriesWorker(Path.read_bytes)  # any importable function of a folder; this one cannot read "Jane Doe"
    try:
        for _ in range(2):
            with pytest.raises(SeriesFailed, match=r"^cannot be judged \(FileNotFoundError\)$"):
                worker.judge(tmp_path / "Jane Doe", tmp_path)
    finally:
        worker.stop()


def test_no_result_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    worker = SeriesWorker(Path.read_bytes)
    try:
        with pytest.raises(SeriesFailed, match="gave no result"):
            worker.judge(tmp_path / "empty", tmp_path)
    finally:
        worker.stop()


def test_a_series_that_hangs_is_given_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "never")
    (tmp_path / "empty").touch()
    worker = SeriesWorker(Path.read_bytes, timeout_s=0.2)
    try:
        begun = time.monotonic()
        with pytest.raises(SeriesFailed, match=r"took more than 0\.2 s"):
            worker.judge(tmp_path / "never", tmp_path)
        assert time.monotonic() - begun < 10
    finally:
        worker.stop()
