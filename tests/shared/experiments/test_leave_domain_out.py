"""Each domain is the test once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from handwriting.task import TASK
from shared.config.read import load_config
from shared.errors import ConfigError, DataError
from shared.experiments.leave_domain_out import leave_domains_out, leave_out_lines
from shared.io.atomic import read_json
from shared.pipeline.preflight import Experiment

Draw = Callable[..., Path]


def test_a_test_that_the_configuration_chooses_is_refused(tmp_path: Path, tiny_words: tuple[str, ...]) -> None:
    config = load_config(None, (*tiny_words, "data.split.held_out_domain=one"))
    with pytest.raises(ConfigError, match="--leave-out domain"):
        leave_domains_out(TASK, config, seeds=1, root=tmp_path, progress=lambda *_: None)


def test_data_of_one_domain_are_refused(tmp_path: Path, tiny_words: tuple[str, ...], draw_characters: Draw) -> None:
    config = load_config(None, (*tiny_words, f"data.source={draw_characters(tmp_path / 'data', each=3)}"))
    with pytest.raises(DataError, match="at least two"):
        leave_domains_out(TASK, config, seeds=1, root=tmp_path, progress=lambda *_: None)


def test_a_class_that_one_domain_alone_shows_is_refused_before_any_training(
    tmp_path: Path, tiny_words: tuple[str, ...], draw_characters: Draw
) -> None:
    one = draw_characters(tmp_path / "one", each=6, names=("digit_0", "digit_1"))
    two = draw_characters(tmp_path / "two", each=6, seed=1, names=("digit_0", "digit_1", "digit_2"))
    without_source = [word for word in tiny_words if not word.startswith("data.source=")]
    words = (*without_source, f"data.collections.one={one}", f"data.collections.two={two}")
    with pytest.raises(DataError, match="class digit_2 is in two alone"):
        leave_domains_out(TASK, load_config(None, words), seeds=1, root=tmp_path / "runs", progress=lambda *_: None)
    assert not (tmp_path / "runs").exists()


def test_words_name_the_domain_and_say_what_is_not_defined() -> None:
    rate = {"value": 0.5, "low": 0.4, "high": 0.6}
    none = {"value": None, "reason": "only one of the two kinds occurs"}
    tree = {
        "domains": {
            "a": [_row(auc=rate, sensitivity=rate)],
            "b": [_row(auc=none, sensitivity={**rate, "low": None, "high": None})],
        }
    }
    first, second, mean, _ = leave_out_lines(tree)
    assert first == "chance: a left out, seed 0, n 10, AUC 0.500 [0.400, 0.600], sensitivity 0.500 [0.400, 0.600]"
    assert second == (
        "chance: b left out, seed 0, n 10, AUC not defined (only one of the two kinds occurs), "
        "sensitivity 0.500 no interval"
    )
    assert mean == "AUC, mean over the 1 domains that define one: 0.500"


def _row(**measures: dict[str, object]) -> dict[str, object]:
    filled = {key: {"n": 10, **measure} for key, measure in measures.items()}
    return {"seed": 0, "run": "r", "verdict": "chance", "n": 10, **filled}


def _rate(value: float) -> dict[str, object]:
    return {"value": value, "low": value - 0.1, "high": value + 0.1}


def test_the_last_line_has_the_worst_domain_beside_the_best_with_their_own_thresholds() -> None:
    none = {"value": None, "reason": "only one of the two kinds occurs"}
    domains = {
        "near": [_row(auc=_rate(value), sensitivity=_rate(0.8), specificity=_rate(0.9)) for value in (0.8, 0.9)],
        "far": [_row(auc=_rate(0.7), sensitivity=_rate(0.9), specificity=_rate(0.1))],
        "tumours": [_row(auc=none, sensitivity=_rate(0.9), specificity=none)],
    }
    assert leave_out_lines({"domains": domains})[-1] == (
        "of 3 left out, "
        "worst far: AUC 0.70 [0.60, 0.80], sensitivity 0.90 [0.80, 1.00], specificity 0.10 [0.00, 0.20]; "
        "best near: AUC 0.85 [0.75, 0.95], sensitivity 0.80 [0.70, 0.90], specificity 0.90 [0.80, 1.00] "
        "(1 of 3 have no AUC and are not among them)"
    )


def test_characters_are_ordered_by_accuracy() -> None:
    domains = {name: [_row(accuracy=_rate(value))] for name, value in (("near", 0.8), ("far", 0.3))}
    said = leave_out_lines({"domains": domains})[-1]
    assert said == "of 2 left out, worst far: accuracy 0.30 [0.20, 0.40]; best near: accuracy 0.80 [0.70, 0.90]"


def test_seeds_share_a_division_where_the_split_states_its_seed(
    tiny_run: Path, tmp_path: Path, draw_characters: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    splits = []

    def train(experiment: Experiment, **_: object) -> Path:
        splits.append((experiment.config.seed, experiment.config.split_seed))
        return tiny_run

    monkeypatch.setattr("shared.experiments.leave_domain_out.run_experiment", train)
    names = ("one", "two")
    words = [f"data.collections.{name}={draw_characters(tmp_path / name, each=2, seed=1)}" for name in names]
    config = load_config(None, [*words, "data.split.seed=7"])
    leave_domains_out(TASK, config, seeds=2, root=tmp_path, progress=lambda *_: None)
    assert splits == [(0, 7), (1, 7)] * 2


@pytest.mark.slow
def test_every_domain_is_tested_by_a_run_that_saw_nothing_of_it(
    tmp_path: Path, tiny_words: tuple[str, ...], draw_characters: Draw
) -> None:
    paths = {name: draw_characters(tmp_path / name, each=6, seed=seed) for seed, name in enumerate(("one", "two"))}
    without_source = [word for word in tiny_words if not word.startswith("data.source=")]
    words = (*without_source, *(f"data.collections.{name}={path}" for name, path in paths.items()))
    tree = leave_domains_out(TASK, load_config(None, words), seeds=2, root=tmp_path, progress=lambda *_: None)
    assert {name: [row["seed"] for row in rows] for name, rows in tree["domains"].items()} == {
        "one": [0, 1],
        "two": [0, 1],
    }
    for name, rows in tree["domains"].items():
        for row in rows:
            assert row["n"] == 18
            assert set(read_json(tmp_path / "left_out" / row["run"] / "report.json")["test"]["domains"]) == {name}
            assert 0 <= row["accuracy"]["value"] <= 1
