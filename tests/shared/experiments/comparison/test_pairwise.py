from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from shared.errors import DataError, UsageError
from shared.evaluation.statistics.paired import compare_aucs
from shared.experiments.comparison.pairwise import compare_runs
from shared.io.atomic import read_json, write_json
from shared.runs.folder import finish

Rewrite = Callable[[dict[str, str]], dict[str, str]]


def _copy(run: Path, to: Path, rewrite: Rewrite) -> Path:
    """A run whose predictions were rewritten row by row."""
    shutil.copytree(run, to)
    with (run / "predictions.csv").open(newline="") as stream:
        rows = [rewrite(row) for row in csv.DictReader(stream)]
    with (to / "predictions.csv").open("w", newline="") as stream:
        table = csv.DictWriter(stream, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    finish(to, read_json(to / "done")["task"])
    return to


def _dangerous(run: Path, task: str) -> None:
    """Makes the first class of a finished run the positive one."""
    tree = read_json(run / "model.json")
    write_json(run / "model.json", tree | {"task": task, "positive": [True, *[False] * (len(tree["classes"]) - 1)]})
    finish(run, task)


def test_a_run_equals_itself(tiny_run: Path) -> None:
    tree = compare_runs(tiny_run, tiny_run)
    assert tree["n"] == read_json(tiny_run / "report.json")["test"]["n"]
    assert tree["accuracy"]["first"] == tree["accuracy"]["second"]
    assert tree["auc"] is None


def test_a_run_that_is_wrong_everywhere_loses(tiny_run: Path, tmp_path: Path) -> None:
    worse = _copy(tiny_run, tmp_path / "worse", lambda row: row | {"predicted": "nothing"})
    tree = compare_runs(tiny_run, worse)
    assert tree["accuracy"]["second"] == 0.0
    assert tree["accuracy"]["low"] is None or tree["accuracy"]["low"] > 0
    assert f"{tree['accuracy']['first']:.3f} against 0.000" in tree["summary"][-1]


def test_aucs_are_compared_by_delong_over_units(tiny_run: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(0)

    def on_its_own(row: dict[str, str]) -> dict[str, str]:
        return row | {"ka": f"{random.random():.6f}", "unit": str(int(row["sample"], 16))}

    one, two = (_copy(tiny_run, tmp_path / name, on_its_own) for name in ("one", "two"))
    for run in (one, two):
        _dangerous(run, "handwriting")
    found = compare_runs(one, two)["auc"]
    scores, truth = [], np.array([])
    for run in (one, two):
        with (run / "predictions.csv").open(newline="") as stream:
            rows = [row for row in csv.DictReader(stream) if row["split"] == "test"]
        scores.append(np.array([float(row["ka"]) for row in rows]))
        truth = np.array([row["label"] == "ka" for row in rows])
    expected = compare_aucs(scores[0], scores[1], truth)
    assert (found["first"], found["p"]) == pytest.approx((expected.first, expected.p))


def test_tests_without_a_common_image_are_refused(tiny_run: Path, tmp_path: Path) -> None:
    other = _copy(tiny_run, tmp_path / "other", lambda row: row | {"sample": f"other {row['sample']}"})
    with pytest.raises(DataError, match="share no image"):
        compare_runs(tiny_run, other)


def test_other_labels_and_other_tasks_are_refused(tiny_run: Path, tmp_path: Path) -> None:
    relabelled = _copy(tiny_run, tmp_path / "relabelled", lambda row: row | {"label": "digit_9"})
    with pytest.raises(DataError, match="different labels"):
        compare_runs(tiny_run, relabelled)
    foreign = _copy(tiny_run, tmp_path / "foreign", lambda row: row)
    _dangerous(foreign, "medtl")
    with pytest.raises(UsageError, match="different applications"):
        compare_runs(tiny_run, foreign)
