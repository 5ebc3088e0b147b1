from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from handwriting.task import TASK
from shared.config.read import load_config
from shared.evaluation.abstention import JudgedInputs, count_abstention
from shared.evaluation.cases import Cases
from shared.evaluation.statistics.intervals import wilson
from shared.evaluation.statistics.repeats import mean_of_repeats
from shared.evaluation.verdict import Finding, Verdict
from shared.experiments.crossval import (
    FoldTest,
    _abstention_lines,
    cross_validate,
    cross_validation_lines,
    pooled_measures,
    read_judged_inputs,
    verdict_on_runs,
)
from shared.io.atomic import read_json
from shared.pipeline.preflight import Experiment
from shared.runs.record import read_model_record


def _cases(truth: str, called: str, predicted: str, units: Sequence[int] | None = None, first: int = 0) -> Cases:
    """Cases by a digit each: their class, the decision, and their likeliest class."""
    count = len(truth)
    return Cases(
        probabilities=np.full((count, 3), 1 / 3),
        labels=np.array(list(map(int, truth))),
        predicted=np.array(list(map(int, predicted))),
        positive=np.array([False, True, True]),
        scores=np.full(count, 0.5),
        called=np.array([digit == "1" for digit in called]),
        units=range(first, first + count) if units is None else units,
    )


def test_the_folds_of_a_repeat_are_pooled_before_a_rate_is_taken() -> None:
    folds = [_cases("1200", "1010", "1000"), _cases("10", "10", "20", first=4)]
    rates = pooled_measures([FoldTest(images) for images in folds])
    assert {name: (rate["successes"], rate["n"]) for name, rate in rates.items()} == {
        "accuracy, likeliest class": (4, 6),
        "accuracy, positive or not, at the operating point": (4, 6),
        "false-negative rate": (1, 3),
        "specificity": (2, 3),
        "false-negative rate, likeliest class": (1, 3),
    }


def test_images_of_one_unit_count_as_one_in_the_interval() -> None:
    called = "1" * 80 + "0" * 20
    apart = pooled_measures([FoldTest(_cases("1" * 100, called, "1" * 100))])["false-negative rate"]
    units = [i // 10 for i in range(100)]
    together = pooled_measures([FoldTest(_cases("1" * 100, called, "1" * 100, units))])["false-negative rate"]
    assert apart["value"] == together["value"] == 0.2
    assert (apart["low"], apart["high"]) == wilson(20, 100)
    assert together["high"] - together["low"] > 2 * (apart["high"] - apart["low"])


def test_patients_are_counted_where_they_have_several_images() -> None:
    groups = replace(_cases("10", "10", "10"), positive=np.array([False, True]))
    rates = pooled_measures([FoldTest(_cases("1100", "1000", "1000", (0, 0, 1, 1)), groups)])
    assert rates["false-negative rate"]["value"] == 0.5
    assert rates["false-negative rate, by group"]["value"] == 0.0
    assert "accuracy, likeliest class, by group" not in rates


def test_a_task_without_a_positive_class_has_its_accuracy_alone() -> None:
    images = replace(_cases("012", "111", "011"), positive=np.zeros(3, dtype=bool))
    assert list(pooled_measures([FoldTest(images)])) == ["accuracy, likeliest class"]


def test_the_runs_of_folds_are_counted_by_what_they_are_fit_for_the_worst_first() -> None:
    good, poor = (
        Verdict((), Finding(severity, headline, ""), "", "") for severity, headline in ((0, "fine"), (3, "chance"))
    )
    assert verdict_on_runs([good, poor, good]) == "verdict on 3 runs, each on its own test: chance 1, fine 2"


def test_repeats_do_not_make_an_interval_narrower() -> None:
    row = pooled_measures([FoldTest(_cases("1" * 10, "1" * 9 + "0", "1" * 10))])
    once, often = mean_of_repeats([row])["false-negative rate"], mean_of_repeats([row] * 20)["false-negative rate"]
    assert often == pytest.approx(once)
    other = pooled_measures([FoldTest(_cases("1" * 10, "1" * 7 + "000", "1" * 10))])
    spread = mean_of_repeats([row, other])["false-negative rate"]
    assert (spread["value"], spread["spread"]) == (pytest.approx(0.2), pytest.approx(0.1))


@pytest.mark.slow
def test_every_image_is_tested_once_a_repeat(
    tmp_path: Path, tiny_words: tuple[str, ...], draw_characters: Callable[..., Path]
) -> None:
    data = draw_characters(tmp_path / "data", each=9)
    config = load_config(None, (*tiny_words, f"data.source={data}"))
    tree = cross_validate(TASK, config, folds=3, repeats=2, root=tmp_path, progress=lambda *_: None)
    assert [row["accuracy, likeliest class"]["n"] for row in tree["repeats"]] == [27, 27]
    assert len(set(tree["runs"])) == 6
    assert cross_validation_lines(tree)[0].startswith("2 x 3 folds")


@pytest.mark.parametrize(("words", "seeds"), [((), [None] * 4), (("data.split.seed=7",), [7, 7, 8, 8])])
def test_each_repeat_divides_the_data_anew_also_where_the_split_states_a_seed(
    tiny_run: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], seeds: list[int | None]
) -> None:
    splits = []

    def train(experiment: Experiment, **_: object) -> Path:
        splits.append((experiment.config.seed, experiment.config.data.split.seed))
        return tiny_run

    monkeypatch.setattr("shared.experiments.crossval.run_experiment", train)
    config = load_config(None, ("seed=3", *words))
    cross_validate(TASK, config, folds=2, repeats=2, root=tiny_run, progress=lambda *_: None)
    assert splits == list(zip([3, 3, 4, 4], seeds, strict=True))


def test_inputs_not_assessed_are_counted_as_the_run_itself_counted_them(tiny_run: Path) -> None:
    record, report = read_model_record(tiny_run), read_json(tiny_run / "report.json")["test"]["abstention"]
    pooled = JudgedInputs.pooled([read_judged_inputs(tiny_run)] * 2)
    found = count_abstention(pooled, record)
    assert (found["inputs"], found["not_assessed"]) == (2 * report["inputs"], 2 * report["not_assessed"])
    lines = _abstention_lines(TASK, found)
    assert lines[0].startswith(f"{found['not_assessed']} of {found['inputs']} inputs are unlike the training images")
    assert [line.split(":")[0] for line in lines[1:]] == [
        f"not assessed, {TASK.display_name(name)}" for name in record.classes
    ]
