"""The mean of the seeds of a row: what `ensemble` makes of the same runs, without a network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from handwriting.task import TASK
from shared.config.read import load_config
from shared.experiments.comparison.certificates import certificate_lines
from shared.experiments.comparison.mean_of_seeds import SeedMean, mean_of_seeds
from shared.experiments.comparison.plan import Cell
from shared.experiments.comparison.significance import against_best_run
from shared.experiments.comparison.table import mean_row, measures_of, shown_rows, table_row
from shared.experiments.comparison.text import as_csv, table_body
from shared.io.atomic import read_json
from shared.runs.predictions import read_predictions
from shared.runs.record import ModelRecord, read_model_record
from tests.shared.runs.test_certificate import record_of

Finished = dict[Cell, Path]


@pytest.fixture
def finished(tiny_run: Path, sibling_run: Path) -> Finished:
    return {
        Cell("net", "frozen", None, seed, load_config(run / "config.yaml")): run
        for seed, run in enumerate((tiny_run, sibling_run))
    }


def _mean(finished: Finished) -> SeedMean:
    found = mean_of_seeds(TASK, list(finished), finished)
    assert isinstance(found, SeedMean)
    return found


def test_it_is_the_ensemble_of_the_same_runs(finished: Finished, ensemble_run: Path) -> None:
    mean, record = _mean(finished), read_model_record(ensemble_run)
    np.testing.assert_allclose(mean.predictions.probabilities, read_predictions(ensemble_run).probabilities, atol=1e-4)
    assert mean.record.threshold == pytest.approx(record.threshold, abs=1e-4)
    assert mean.record.temperature == pytest.approx(record.temperature, rel=1e-3)
    assert mean.record.certified_error == pytest.approx(record.certified_error)
    assert (mean.record.rejection or {})["choices"] == (record.rejection or {})["choices"]
    assert measures_of(mean.test) == measures_of(read_json(ensemble_run / "report.json")["test"])


def test_it_stands_below_its_runs_and_is_tested_against_the_best_of_them(finished: Finished) -> None:
    mean, runs = _mean(finished), {cell.seed: run for cell, run in finished.items()}
    row = table_row(list(finished), finished, {}, "accuracy")
    below = mean_row(mean, row, list(runs.values()), "accuracy")
    below |= {"best": False, "against_best": against_best_run(mean, runs, "accuracy"), "costs": None}
    reports = {seed: read_json(run / "report.json") for seed, run in runs.items()}
    best = max(reports, key=lambda seed: reports[seed]["validation"]["accuracy"]["value"])
    difference = mean.test["accuracy"]["value"] - reports[best]["test"]["accuracy"]["value"]
    assert list(below["against_best"]["by_seed"]) == [str(best)]
    assert below["against_best"]["difference"] == pytest.approx(difference)
    below["against_best"]["p_holm"] = below["against_best"]["p"]
    tree = {"rows": [row | {"best": True, "against_best": None, "costs": None, "mean": below}], "main": "accuracy"}
    assert [one["strategy"] for one in shown_rows(tree)] == ["frozen", "frozen, mean of 2 seeds"]
    seeds, averaged = table_body(tree)
    assert " ± " in seeds[4]
    assert " ± " not in averaged[4]
    assert f"{mean.test['accuracy']['value']:.3f} [" in averaged[4]
    assert as_csv(tree).splitlines()[2].split(",")[4] == '"frozen'
    assert below["seconds"] == pytest.approx(2 * row["seconds"])


def test_the_best_row_says_what_its_mean_certifies_among_all_that_were_compared(
    finished: Finished, model_record: ModelRecord
) -> None:
    mean = replace(_mean(finished), record=record_of(model_record, 64))
    row = {"backbone": "net", "strategy": "frozen", "labels_per_class": None, "best": True}
    of_seeds, of_mean = certificate_lines([row], [tuple(finished)], finished, [mean])
    assert of_seeds.startswith("Best by validation (net x frozen, all labels), the weakest of its seeds: ")
    assert of_mean.startswith("The mean of 2 seeds (net x frozen, all labels): ")
    other = replace(mean, record=record_of(model_record, 6400))
    lines = certificate_lines([row] * 2, [tuple(finished)] * 2, finished, [mean, other])
    assert lines[1] != of_mean  # the mean of the other row was compared on the same data too


def test_seeds_that_divide_the_data_apart_have_no_mean_and_it_says_what_to_do(finished: Finished) -> None:
    apart = {}
    for cell, run in finished.items():
        split = cell.config.data.split.model_copy(update={"seed": None})
        data = cell.config.data.model_copy(update={"split": split})
        config = cell.config.model_copy(update={"data": data, "seed": cell.seed})
        apart[replace(cell, config=config)] = run
    reason = mean_of_seeds(TASK, list(apart), apart)
    assert isinstance(reason, str)
    assert "each of them divides the data in its own way; with data.split.seed in" in reason


def test_equal_runs_have_no_mean_and_one_run_neither(finished: Finished) -> None:
    first, second = finished
    reason = mean_of_seeds(TASK, [first, second], {first: finished[first], second: finished[first]})
    assert isinstance(reason, str)
    assert "hold the same weights" in reason
    assert mean_of_seeds(TASK, [first, second], {first: finished[first]}) is None
