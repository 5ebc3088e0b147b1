from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from shared.runs.listing import read_run
from shared.runs.record import ModelRecord
from shared.runs.siblings import models_chosen_among, restated_among_siblings
from tests.shared.runs.making import cut, make_run
from tests.shared.runs.test_certificate import record_of

SAME = {"data_hash": "d"}


def _point(choices: int) -> dict[str, Any]:
    return {"operating_point": {"choices": choices}, "data_hash": "d"}


def test_picking_one_of_several_runs_counts_as_a_choice_among_all_their_models(
    tmp_path: Path, model_record: ModelRecord
) -> None:
    run = make_run(tmp_path / "a", model_record, **_point(8))
    assert models_chosen_among(run, tmp_path) == 8
    make_run(tmp_path / "b", model_record, **_point(5))
    make_run(tmp_path / "c", model_record, rejection={"choices": 3}, **SAME)
    make_run(tmp_path / "uncertified", model_record, **SAME)
    assert models_chosen_among(run, tmp_path) == 8 + 5 + 3 + 1


def test_other_data_another_application_and_unfinished_runs_are_no_siblings(
    tmp_path: Path, model_record: ModelRecord
) -> None:
    run = make_run(tmp_path / "a", model_record, **_point(2))
    make_run(tmp_path / "b", model_record, operating_point={"choices": 5}, data_hash="e")
    make_run(tmp_path / "c", model_record, task="medtl", **_point(5))
    (make_run(tmp_path / "d", model_record, **_point(5)) / "done").unlink()
    assert models_chosen_among(run, tmp_path) == 2


def test_the_folder_of_the_run_and_that_of_all_runs_are_both_searched(
    tmp_path: Path, model_record: ModelRecord
) -> None:
    run = make_run(tmp_path / "adapt" / "x" / "dann", model_record, **_point(2))
    make_run(tmp_path / "adapt" / "x" / "source-only", model_record, **_point(3))
    make_run(tmp_path / "plain", model_record, **_point(4))
    kept = shutil.copytree(run, tmp_path / "adapt" / "x" / "kept")
    assert models_chosen_among(run, tmp_path) == 2 + 3 + 4
    assert models_chosen_among(kept, tmp_path) == 2 + 3 + 4


def test_runs_that_are_listed_are_certified_for_a_choice_among_all_of_them(
    tmp_path: Path, model_record: ModelRecord
) -> None:
    record = record_of(model_record, 5)
    names = ("a", "b", "other")
    runs = [make_run(tmp_path / name, record, data_hash="e" if name == "other" else "d") for name in names]
    listed = restated_among_siblings([read_run(run) for run in runs], tmp_path)
    assert [run.folder for run in listed] == runs
    assert [(run.record.operating_point or {})["choices"] for run in listed] == [10, 10, 5]
    own = record.certified_sensitivity or 0.0
    assert [(run.record.certified_sensitivity or 1.0) < own for run in listed] == [True, True, False]


@pytest.mark.parametrize("damage", ["done", "model.json"])
def test_a_damaged_sibling_is_left_out(tmp_path: Path, model_record: ModelRecord, damage: str) -> None:
    run = make_run(tmp_path / "a", model_record, **_point(2))
    cut(make_run(tmp_path / "b", model_record, **_point(3)) / damage)
    assert models_chosen_among(run, tmp_path) == 2
    assert models_chosen_among(tmp_path / "b", tmp_path) == 1


@pytest.mark.parametrize("stated", [{"operating_point": 3}, {"operating_point": {"choices": "x"}}, {"data_hash": None}])
def test_a_sibling_that_states_nonsense_stops_nobody(
    tmp_path: Path, model_record: ModelRecord, stated: dict[str, Any]
) -> None:
    run = make_run(tmp_path / "a", model_record, **_point(2))
    make_run(tmp_path / "b", model_record, **(SAME | stated))
    assert 2 <= models_chosen_among(run, tmp_path) <= 3


def test_siblings_of_another_version_count(tmp_path: Path, model_record: ModelRecord) -> None:
    run = make_run(tmp_path / "a", model_record, **_point(2))
    make_run(tmp_path / "b", model_record, format=1, **_point(3))
    assert models_chosen_among(run, tmp_path) == 5
