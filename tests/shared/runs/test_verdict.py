"""The verdict on a run folder, with its tests on other data."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared.errors import RunError
from shared.evaluation.verdict import UNTESTED
from shared.io.atomic import read_json
from shared.runs.outside_tests import OUTSIDE_TESTS, add_outside_test, kept_of, read_outside_tests
from shared.runs.record import ModelRecord, read_model_record
from shared.runs.verdict import read_verdict, verdict_of


@pytest.fixture
def run(tiny_run: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_run, tmp_path / "run")


def test_the_verdict_is_read_from_the_report(run: Path) -> None:
    report = read_json(run / "report.json")
    found = read_verdict(run)
    assert found == verdict_of(read_model_record(run), report)
    assert report["verdict"][:2] == list(found.lines[:2])
    assert report["verdict"][2] == f"{found.outside} when this was written"
    assert found.warnings[0].startswith("few labels: ")


def test_a_run_without_a_report_is_not_tested(run: Path) -> None:
    (run / "report.json").unlink()
    assert read_verdict(run).fitness.text == UNTESTED


def test_a_test_on_other_data_is_kept_once_for_each_data_set(run: Path) -> None:
    test = read_json(run / "report.json")["test"]
    for left_out in (0, 3):
        add_outside_test(run, "hash", {"data": "x.zip", "left_out": left_out, "test": kept_of(test)})
    assert [one["left_out"] for one in read_outside_tests(run).values()] == [3]
    assert read_verdict(run).outside.startswith(f"outside test on x.zip ({test['n']} images, 3 seen images left out): ")
    add_outside_test(run, "hash", {"data": "x.zip", "synthetic": True, "test": kept_of(test)})
    assert read_verdict(run).outside.startswith(f"outside test on x.zip ({test['n']} synthetic images): ")


def test_a_damaged_file_of_tests_is_refused(run: Path) -> None:
    (run / OUTSIDE_TESTS).write_text('{"hash": {"data": "x.zip"}}')
    with pytest.raises(RunError, match="is damaged"):
        read_verdict(run)


@pytest.mark.parametrize(
    ("trained", "tested", "said"),
    [
        (("mars",), "venus", "outside test on venus (left out of training)"),
        (("mars", "venus"), "venus", "outside test: none"),
        (("unknown",), "venus", "outside test: none"),
        (("mars",), "unknown", "outside test: none"),
    ],
)
def test_a_test_on_domains_that_training_never_saw_is_one_outside(
    model_record: ModelRecord, tiny_run: Path, trained: tuple[str, ...], tested: str, said: str
) -> None:
    test: dict[str, Any] = read_json(tiny_run / "report.json")["test"] | {"domains": {tested: {}}}
    record = replace(model_record, domains=trained)
    assert verdict_of(record, {"test": test}).outside.startswith(said)
