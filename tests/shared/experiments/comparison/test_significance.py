from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.config.schema import Config
from shared.evaluation.statistics.paired import holm, over_seeds
from shared.experiments.comparison.plan import Cell
from shared.experiments.comparison.significance import paired_tests
from shared.io.atomic import read_json
from shared.runs.folder import finish

Row = dict[str, str]


def test_holm_takes_the_smallest_times_all_and_never_falls() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_a_difference_counts_where_every_seed_shows_it_in_one_direction() -> None:
    assert over_seeds([-0.1, -0.2], [0.001, 0.04]) == 0.04
    assert over_seeds([-0.1, 0.2], [0.001, 0.001]) == 1.0
    assert over_seeds([-0.1, 0.0], [0.001, 1.0]) == 1.0


def _run(source: Path, to: Path, rewrite: Callable[[int, Row], Row]) -> Path:
    """A finished run whose test rows were rewritten."""
    shutil.copytree(source, to)
    with (source / "predictions.csv").open(newline="") as stream:
        rows = [rewrite(number, row) for number, row in enumerate(csv.DictReader(stream)) if row["split"] == "test"]
    with (to / "predictions.csv").open("w", newline="") as stream:
        table = csv.DictWriter(stream, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    finish(to, read_json(to / "done")["task"])
    return to


def _table(runs: dict[str, list[Path]], validation: dict[str, float]) -> tuple[list[dict[str, Any]], Any, Any]:
    cells = [tuple(Cell(name, "s", None, seed, Config()) for seed in range(2)) for name in validation]
    rows = [
        {"backbone": name, "strategy": "s", "labels_per_class": None, "validation": value, "mean": None}
        for name, value in validation.items()
    ]
    finished = {cell: runs[cell.backbone][cell.seed] for row in cells for cell in row if cell.backbone in runs}
    return rows, cells, finished


def test_rows_are_tested_against_the_best_by_validation(tiny_run: Path, tmp_path: Path) -> None:
    def perfect(number: int, row: Row) -> Row:
        return row | {"predicted": row["label"]}

    def wrong(number: int, row: Row) -> Row:
        return row | {"predicted": "nothing"}

    good, bad = _run(tiny_run, tmp_path / "good", perfect), _run(tiny_run, tmp_path / "bad", wrong)
    rows, cells, finished = _table(
        {"chosen": [bad, bad], "other": [good, good], "same": [bad, bad]}, {"chosen": 0.9, "other": 0.8, "same": 0.1}
    )
    assert paired_tests(rows, cells, finished, "accuracy") == []
    assert [row["best"] for row in rows] == [True, False, False]
    assert rows[0]["against_best"] is None
    other, same = rows[1]["against_best"], rows[2]["against_best"]
    assert other["difference"] == 1.0
    assert set(other["by_seed"]) == {"0", "1"}
    assert other["p"] < 0.01
    assert other["p_holm"] == pytest.approx(2 * other["p"])
    assert (same["difference"], same["p_holm"]) == (0.0, 1.0)


def test_runs_of_other_test_images_are_not_compared(tiny_run: Path, tmp_path: Path) -> None:
    def renamed(number: int, row: Row) -> Row:
        return row | {"sample": f"other {row['sample']}"} if number % 2 else row

    other = _run(tiny_run, tmp_path / "other", renamed)
    rows, cells, finished = _table({"a": [tiny_run] * 2, "b": [tiny_run, other]}, {"a": 0.9, "b": 0.8})
    (note,) = paired_tests(rows, cells, finished, "accuracy")
    assert note == "all labels: no paired test, for a x s and b x s were tested on different images (seed 1)."
    assert [row["against_best"] for row in rows] == [None, None]


def test_a_row_that_failed_is_left_out(tiny_run: Path) -> None:
    rows, cells, finished = _table({"a": [tiny_run] * 2}, {"a": 0.9, "failed": 0.0})
    rows[1]["validation"] = None
    assert paired_tests(rows, cells, finished, "accuracy") == []
    assert [row["best"] for row in rows] == [True, False]
