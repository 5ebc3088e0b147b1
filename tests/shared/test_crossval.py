from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from handwriting.task import TASK
from shared.config import load_config
from shared.crossval import _mean, _pooled, _Tested, cross_validate, in_words


def _flags(text: str) -> np.ndarray:
    return np.array([letter == "1" for letter in text])


def test_the_folds_of_a_repeat_are_pooled_before_a_rate_is_taken() -> None:
    first = _Tested(_flags("1100"), _flags("1010"), _flags("1000"), _flags("1011"))
    second = _Tested(_flags("10"), _flags("10"), _flags("00"), _flags("01"))
    rates = _pooled([first, second])
    assert rates["accuracy, likeliest class"] == {"successes": 4, "n": 6}
    assert rates["accuracy, positive or not, at the operating point"] == {"successes": 4, "n": 6}
    assert rates["false-negative rate"] == {"successes": 1, "n": 3}
    assert rates["specificity"] == {"successes": 2, "n": 3}
    assert rates["false-negative rate, likeliest class"] == {"successes": 2, "n": 3}


def test_repeats_do_not_make_an_interval_narrower() -> None:
    row = {"accuracy": {"successes": 9, "n": 10}}
    once, often = _mean([row])["accuracy"], _mean([row] * 20)["accuracy"]
    assert often == pytest.approx(once)
    spread = _mean([row, {"accuracy": {"successes": 7, "n": 10}}])["accuracy"]
    assert (spread["value"], spread["spread"]) == (pytest.approx(0.8), pytest.approx(0.1))


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
