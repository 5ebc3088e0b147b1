"""Each tracker against its real library, without the network; what it wrote is read by that library's own reader."""

from __future__ import annotations

import getpass
import json
import logging
import socket
import sqlite3
from collections.abc import Mapping
from pathlib import Path

import pytest

from shared.errors import ConfigError, RunError
from shared.tracking import check_tracker, open_tracker, tracker_names
from shared.tracking.base import TrackedRun, Untracked

pytestmark = pytest.mark.filterwarnings("ignore")  # of the libraries, which are not ours to mend


def _run(folder: Path) -> TrackedRun:
    folder.mkdir(exist_ok=True)
    return TrackedRun("medtl-run-seed0-1234", "medtl", {"seed": "0", "data.source": "scans.zip"}, folder)


def _record(track: str, folder: Path) -> None:
    """Two steps, then an interruption after which the second step comes again, and a third."""
    tracker = open_tracker(track, _run(folder))
    for step, loss in ((1, 0.5), (2, 0.25)):
        tracker.log(step, {"training/train_loss": loss})
    tracker.close(finished=False)
    tracker = open_tracker(track, _run(folder))
    for step, loss in ((2, 0.25), (3, 0.125)):
        tracker.log(step, {"training/train_loss": loss})
    tracker.log(3, {"test/auc": 0.875})
    tracker.close(finished=True)


def _refuse_marks(content: bytes, folder: Path) -> None:
    for mark in (str(folder.parent), str(Path.cwd()), getpass.getuser(), socket.gethostname()):
        if len(mark) > 3:  # "vm" or "root" may stand in any file
            assert mark.encode() not in content, mark


def test_tensorboard_reads_what_was_written(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    _record("auto", tmp_path / "run")
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    found = {step.step: step.value for step in events.Scalars("training/train_loss")}
    assert found == {1: 0.5, 2: 0.25, 3: 0.125}
    assert [step.value for step in events.Scalars("test/auc")] == [0.875]
    for path in (tmp_path / "run" / "tensorboard").iterdir():
        assert socket.gethostname() not in path.name
        _refuse_marks(path.read_bytes(), tmp_path)


def test_mlflow_goes_on_with_an_interrupted_run_and_begins_a_finished_one_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("mlflow", "sqlalchemy", "alembic"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/store.db")
    from mlflow import MlflowClient

    _record("mlflow", tmp_path / "run")
    client = MlflowClient()
    experiment = client.get_experiment_by_name("medtl")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_name == "medtl-run-seed0-1234"
    assert run.info.status == "FINISHED"
    assert run.data.params == {"seed": "0", "data.source": "scans.zip"}
    found = client.get_metric_history(run.info.run_id, "training/train_loss")
    assert {one.step: one.value for one in found} == {1: 0.5, 2: 0.25, 3: 0.125}
    assert run.data.metrics["test/auc"] == 0.875
    with sqlite3.connect(tmp_path / "store.db") as store:
        sent = [*store.execute("SELECT * FROM tags"), *store.execute("SELECT * FROM params")]
        (user,) = store.execute("SELECT user_id FROM runs").fetchone()
    assert {row[0] for row in sent} == {"medtl.run", "mlflow.runName", "seed", "data.source"}
    assert user in ("", "unknown")
    open_tracker("mlflow", _run(tmp_path / "run")).close(finished=True)
    assert len(client.search_runs([experiment.experiment_id])) == 2


def test_wandb_stays_offline_and_sends_nothing_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb", reason="wandb is not installed")
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    _record("wandb", tmp_path / "run")
    wandb.teardown()  # as at the end of the program: until then the last rows may not be in the file
    files = sorted((tmp_path / "run" / "wandb").glob("offline-run-*/*.wandb"))
    assert len(files) == 2
    rows = [row for file in files for row in _wandb_rows(file)]
    assert {row["step"]: row["training/train_loss"] for row in rows if "training/train_loss" in row} == {
        1: 0.5,
        2: 0.25,
        3: 0.125,
    }
    assert {"test/auc": 0.875}.items() <= rows[-1].items()
    for file in files:
        _refuse_marks(file.read_bytes(), tmp_path)


def _wandb_rows(file: Path) -> list[dict[str, float]]:
    """The rows of the history in an offline run, whose own reader is a program that sends them.

    After 7 bytes, each record has 4 of a checksum, 2 of its length, and 1 of its kind.
    """
    from wandb.proto.wandb_internal_pb2 import Record

    data, rows, at = file.read_bytes(), [], 7
    assert len(data) < 32768  # longer files are in blocks
    while at < len(data):
        start, record = at + 7, Record()
        at = start + int.from_bytes(data[at + 4 : at + 6], "little")
        record.ParseFromString(data[start:at])
        if record.HasField("history"):
            keys = [item.key or ".".join(item.nested_key) for item in record.history.item]
            rows.append(dict(zip(keys, (json.loads(item.value_json) for item in record.history.item), strict=True)))
    return rows


def test_an_unknown_or_missing_tracker_is_refused_with_what_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"track: unknown tracker 'mlfow'; did you mean mlflow\?; allowed: auto"):
        check_tracker("mlfow")
    monkeypatch.setattr("shared.tracking._is_installed", lambda _: False)
    with pytest.raises(ConfigError, match=r"track: wandb is not installed; install it with: pip install '.\[wandb\]'"):
        check_tracker("wandb")
    check_tracker("auto")
    assert isinstance(open_tracker("auto", TrackedRun("run", "medtl", {}, Path())), Untracked)
    assert tracker_names() == ["mlflow", "tensorboard", "wandb"]


class _Broken:
    def __init__(self) -> None:
        self.calls = 0

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self.calls += 1
        raise OSError("https://user:password@host")

    def close(self, *, finished: bool) -> None:
        self.calls += 1


class _File:
    def __init__(self, tracker: _Broken | None) -> None:
        self.tracker = tracker

    def open_run(self, run: TrackedRun) -> _Broken:
        if self.tracker is None:
            raise OSError("https://user:password@host")
        return self.tracker


def test_a_tracker_that_fails_ends_no_training_and_repeats_no_address(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken, run = _Broken(), TrackedRun("run", "medtl", {}, Path())
    monkeypatch.setattr("shared.tracking._is_installed", lambda _: True)
    monkeypatch.setattr("shared.tracking._file", lambda _: _File(broken))
    with caplog.at_level(logging.WARNING):
        tracker = open_tracker("mlflow", run)
        tracker.log(1, {"a": 1.0})
        tracker.log(2, {"a": 1.0})
        tracker.close(finished=True)
    assert broken.calls == 1
    assert caplog.text.count("track: mlflow failed (OSError); the training goes on without") == 1
    assert "password" not in caplog.text
    monkeypatch.setattr("shared.tracking._file", lambda _: _File(None))
    with pytest.raises(RunError, match=r"track: mlflow cannot record this run \(OSError\); check its server") as fault:
        open_tracker("mlflow", run)
    assert "password" not in str(fault.value)
    assert isinstance(open_tracker("auto", run), Untracked)
