from __future__ import annotations

from pathlib import Path

from shared.runs.listing import list_runs
from shared.runs.record import ModelRecord
from tests.shared.runs.making import cut, make_run


def test_runs_of_the_application_are_listed_the_last_trained_first(tmp_path: Path, model_record: ModelRecord) -> None:
    for name, day in (("a", "2026-01-02"), ("b", "2026-01-03"), ("c", "2026-01-01")):
        make_run(tmp_path / name, model_record, finished=f"{day}T00:00:00+00:00")
    make_run(tmp_path / "other", model_record, task="medtl")
    runs = list_runs(tmp_path, "handwriting")
    assert [run.folder.name for run in runs.finished] == ["b", "a", "c"]
    assert runs.faulty == ()


def test_one_damaged_run_keeps_nobody_from_the_others(tmp_path: Path, model_record: ModelRecord) -> None:
    for name in ("cut done", "cut record", "no task", "undated", "whole"):
        make_run(tmp_path / name, model_record)
    cut(tmp_path / "cut done" / "done")
    cut(tmp_path / "cut record" / "model.json")
    (tmp_path / "no task" / "done").write_text("{}")
    (tmp_path / "undated" / "done").write_text('{"task": "handwriting"}')
    runs = list_runs(tmp_path, "handwriting")
    assert [run.folder.name for run in runs.finished] == ["whole"]
    assert [run.folder.name for run in runs.faulty] == ["cut done", "cut record", "no task", "undated"]
    assert all(str(run.folder) in run.reason and "copy it again" in run.reason for run in runs.faulty)


def test_an_unfinished_run_is_said_and_what_is_no_run_is_passed_over(tmp_path: Path, model_record: ModelRecord) -> None:
    (make_run(tmp_path / "half", model_record) / "done").unlink()
    make_run(tmp_path / "compare" / "cell", model_record)
    (tmp_path / "phantom").mkdir()
    (tmp_path / "bench.md").touch()
    runs = list_runs(tmp_path, "handwriting")
    assert runs.finished == ()
    (half,) = runs.faulty
    assert half.unfinished
    assert "half is not finished" in half.reason
    assert list_runs(tmp_path / "nowhere", "handwriting").faulty == ()
