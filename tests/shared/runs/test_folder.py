from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.data.descriptors import CopyRule
from shared.errors import RunError, UsageError
from shared.evaluation.decision.aggregation import Aggregation
from shared.io.atomic import file_hash, write_json
from shared.runs import folder
from shared.runs.folder import ANSWERING, MODEL_FILES, RECORDS, check_finished, finish, finished_at, is_whole, locked
from shared.runs.record import FORMAT, ModelRecord, read_model_record
from shared.task import Preprocessing

RECORD = ModelRecord(
    task="medtl",
    classes=("a", "b"),
    positive=(True, False),
    preprocessing=Preprocessing(32, 1, {"crop": True}),
    threshold=0.5,
    operating_point=None,
    rejection=None,
    aggregation=Aggregation(("max", "mean"), (0.5, 0.7), 0.1),
    certified_sensitivity=None,
    certified_error=None,
    ood={"threshold": 0.1, "rate": 0.01, "units": 12},
    temperature=1.5,
    backbone={"name": "resnet18"},
    domains=("x",),
    acquisition={},
    synthetic=True,
    data_hash="0",
    weights_hash="1",
    data_names=("scans.zip",),
    copy_rule=CopyRule(mirrored=True, altered=True),
)


def _run(folder: Path, task: str = "medtl") -> Path:
    folder.mkdir(parents=True)
    for name in MODEL_FILES:
        (folder / name).write_text("{}")
    finish(folder, task)
    return folder


def test_a_model_record_reads_back_as_it_was_written(tmp_path: Path) -> None:
    write_json(tmp_path / "model.json", RECORD.to_json())
    assert read_model_record(tmp_path) == RECORD


@pytest.mark.parametrize("number", [3, 99])
def test_a_record_of_another_format_is_refused(tmp_path: Path, number: int) -> None:
    write_json(tmp_path / "model.json", {**RECORD.to_json(), "format": number})
    with pytest.raises(RunError, match=f"has format {number}; this version reads {FORMAT}: train again"):
        read_model_record(tmp_path)


def test_a_record_with_a_pool_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    tree = RECORD.to_json()
    tree["aggregation"]["pools"] = ["middle", "mean"]
    write_json(tmp_path / "model.json", tree)
    with pytest.raises(RunError, match="pool 'middle'; this version has neighbours, max, top_fifth, mean: train again"):
        read_model_record(tmp_path)


def test_a_record_with_a_missing_field_is_refused(tmp_path: Path) -> None:
    tree = RECORD.to_json()
    del tree["threshold"]
    write_json(tmp_path / "model.json", tree)
    with pytest.raises(RunError, match="threshold"):
        read_model_record(tmp_path)


def test_a_run_without_exported_network_is_finished_and_does_not_answer(tmp_path: Path) -> None:
    run = _run(tmp_path / "run")
    (run / "model.onnx").unlink()
    finish(run, "medtl", whole=False)
    check_finished(run)
    assert not is_whole(run)
    with pytest.raises(UsageError, match=r"give --keep .* to the study .*, or use `train .*config.yaml`"):
        check_finished(run, ANSWERING)


def test_a_changed_model_is_noticed(tmp_path: Path) -> None:
    run = _run(tmp_path / "run")
    check_finished(run)
    (run / "model.onnx").write_text("other")
    with pytest.raises(RunError, match=r"model\.onnx is missing or was changed"):
        check_finished(run)


def test_what_is_not_read_need_not_be_whole_and_a_file_is_hashed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, hashed = _run(tmp_path / "run"), list[str]()
    monkeypatch.setattr(folder, "file_hash", lambda path: hashed.append(path.name) or file_hash(path))
    (run / "model.safetensors").write_text("other")
    for _ in range(2):
        check_finished(run, ANSWERING)
    assert sorted(hashed) == ["features.npz", "model.json", "model.onnx"]
    with pytest.raises(RunError, match=r"model\.safetensors is missing or was changed"):
        check_finished(run)
    os.utime(run / "model.onnx", ns=(1, 1))
    check_finished(run, ANSWERING)
    assert hashed.count("model.onnx") == 2


def test_half_a_run_is_never_taken_for_a_whole_one(tmp_path: Path) -> None:
    run = _run(tmp_path / "runs" / "a")
    (run / "done").unlink()
    with pytest.raises(UsageError, match="not a run folder"):
        check_finished(run)


def test_a_finished_run_says_when_its_training_ended(tmp_path: Path) -> None:
    run = _run(tmp_path / "run")
    assert abs((finished_at(run) - datetime.now(UTC)).total_seconds()) < 60
    for damaged in ({}, {"finished": "yesterday"}, {"finished": 3}):
        write_json(run / "done", damaged)
        with pytest.raises(RunError, match="does not say when the training ended; copy it again"):
            finished_at(run)


def test_nothing_is_left_of_a_write_that_fails(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, {"a": float("nan")})
    assert json.loads(path.read_text()) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_folder_in_use_is_not_trained_in_twice(tmp_path: Path) -> None:
    with locked(tmp_path / "run"), pytest.raises(RunError, match="another process"), locked(tmp_path / "run"):
        pass


def test_records_that_were_cut_off_are_noticed(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for name in (*MODEL_FILES, *RECORDS):
        (run / name).write_text(f"{name}\n" * 20)
    finish(run, "medtl")
    (run / "config.yaml").touch()
    check_finished(run)
    for name in RECORDS:
        os.truncate(run / name, 20)
        with pytest.raises(RunError, match=rf"{name} is missing or was changed .* copy it again"):
            check_finished(run)
        (run / name).write_text(f"{name}\n" * 20)
    check_finished(run)


def test_a_run_without_hashes_of_its_records_is_refused(tmp_path: Path) -> None:
    run = _run(tmp_path / "run")
    done = json.loads((run / "done").read_text())
    del done["records"]
    write_json(run / "done", done)
    for number, said in ((FORMAT, "does not name the files of the model and its records"), (FORMAT - 1, "has format")):
        write_json(run / "model.json", {"format": number})
        with pytest.raises(RunError, match=said):
            check_finished(run)
