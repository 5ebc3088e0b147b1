from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from handwriting.task import TASK
from shared.config.read import load_config
from shared.evaluation.statistics.intervals import wilson
from shared.evaluation.statistics.repeats import mean_of_repeats
from shared.experiments.crossval import _Calls, _pooled, _Tested, cross_validate, in_words


def _flags(text: str) -> np.ndarray:
    return np.array([letter == "1" for letter in text])


def _tested(positive: str, called: str, likely: str, right: str, first: int) -> _Tested:
    units = tuple(range(first, first + len(positive)))
    return _Tested(_Calls(_flags(positive), _flags(called), units), None, _flags(likely), _flags(right))


def test_the_folds_of_a_repeat_are_pooled_before_a_rate_is_taken() -> None:
    rates = _pooled([_tested("1100", "1010", "1000", "1011", 0), _tested("10", "10", "00", "01", 4)])
    found = {name: (rate["successes"], rate["n"]) for name, rate in rates.items()}
    assert found == {
        "accuracy, likeliest class": (4, 6),
        "accuracy, positive or not, at the operating point": (4, 6),
        "false-negative rate": (1, 3),
        "specificity": (2, 3),
        "false-negative rate, likeliest class": (2, 3),
    }


def test_images_of_one_unit_count_as_one_in_the_interval() -> None:
    apart = _pooled([_tested("1" * 100, "1" * 80 + "0" * 20, "1" * 100, "1" * 100, 0)])["false-negative rate"]
    calls = _Calls(_flags("1" * 100), _flags("1" * 80 + "0" * 20), tuple(i // 10 for i in range(100)))
    together = _pooled([_Tested(calls, None, _flags("1" * 100), _flags("1" * 100))])["false-negative rate"]
    assert apart["value"] == together["value"] == 0.2
    assert (apart["low"], apart["high"]) == wilson(20, 100)
    assert together["high"] - together["low"] > 2 * (apart["high"] - apart["low"])


def test_patients_are_counted_where_they_have_several_images() -> None:
    images = _Calls(_flags("1100"), _flags("1000"), (0, 0, 1, 1))
    tested = _Tested(images, _Calls(_flags("10"), _flags("10"), (0, 1)), _flags("1000"), _flags("1011"))
    rates = _pooled([tested])
    assert rates["false-negative rate"]["value"] == 0.5
    assert rates["false-negative rate, by patient or group"]["value"] == 0.0


def test_repeats_do_not_make_an_interval_narrower() -> None:
    row = _pooled([_tested("1" * 10, "1" * 9 + "0", "1" * 10, "1" * 10, 0)])
    once, often = mean_of_repeats([row])["false-negative rate"], mean_of_repeats([row] * 20)["false-negative rate"]
    assert often == pytest.approx(once)
    other = _pooled([_tested("1" * 10, "1" * 7 + "000", "1" * 10, "1" * 10, 0)])
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
    assert in_words(tree)[0].startswith("2 x 3 folds")
