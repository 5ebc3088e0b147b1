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
            "a": [{"seed": 0, "run": "r", "n": 10, "auc": rate, "sensitivity": rate}],
            "b": [{"seed": 0, "run": "s", "n": 10, "auc": none, "sensitivity": {**rate, "low": None, "high": None}}],
        }
    }
    first, second, mean = leave_out_lines(tree)
    assert first == "a left out, seed 0, n 10: AUC 0.500 [0.400, 0.600], sensitivity 0.500 [0.400, 0.600]"
    assert second == (
        "b left out, seed 0, n 10: AUC not defined (only one of the two kinds occurs), sensitivity 0.500 no interval"
    )
    assert mean == "AUC, mean over the 1 domains that define one: 0.500"


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
