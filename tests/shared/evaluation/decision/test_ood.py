"""The out-of-distribution score and its threshold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared.errors import RunError
from shared.evaluation.decision.ood import (
    FILE,
    NEIGHBOUR,
    Reference,
    by_series,
    of_series,
)
from shared.io.atomic import write_array


def _cone(random: np.random.Generator, count: int, axis: int, width: int = 16) -> np.ndarray:
    features = random.normal(0, 0.1, (count, width))
    features[:, axis] += 1.0
    return features.astype(np.float32)


def test_codes_of_another_direction_score_higher_whatever_their_length() -> None:
    random = np.random.default_rng(0)
    reference = Reference.of(_cone(random, 200, axis=0))
    like, unlike = reference.scores(_cone(random, 50, axis=0)), reference.scores(_cone(random, 50, axis=1))
    assert like.max() < unlike.min()
    features = _cone(random, 50, axis=0)
    np.testing.assert_allclose(reference.scores(features), reference.scores(1000 * features), atol=1e-5)


def test_the_score_is_one_less_the_cosine_to_the_tenth_nearest() -> None:
    random = np.random.default_rng(1)
    train, code = random.normal(size=(40, 8)), random.normal(size=(1, 8))
    cosines = (train @ code[0]) / np.linalg.norm(train, axis=1) / np.linalg.norm(code)
    expected = 1.0 - np.sort(cosines)[::-1][NEIGHBOUR - 1]
    assert Reference.of(train).scores(code)[0] == pytest.approx(expected, abs=2e-3)  # kept as float16


def test_few_training_images_and_codes_without_direction_give_a_score() -> None:
    assert Reference.of(np.ones((3, 4))).scores(np.ones((1, 4)))[0] == pytest.approx(0.0, abs=1e-3)
    assert Reference.of(np.ones((3, 4))).scores(np.zeros((1, 4)))[0] == pytest.approx(1.0)


def test_the_first_and_last_slices_of_a_series_do_not_decide() -> None:
    assert of_series(np.array([0.9, 0.1, 0.1, 0.1, 0.9])) == pytest.approx(0.1)
    scores = by_series(np.array([0.9, 0.2, 0.1, 0.3, 0.1]), ["b", "a", "b", "a", "b"])
    assert scores.tolist() == pytest.approx([0.1, 0.25])


def test_codes_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    reference = Reference.of(np.random.default_rng(4).normal(size=(7, 5)))
    write_array(tmp_path / FILE, reference.features)
    assert np.array_equal(Reference.read(tmp_path).features, reference.features)


@pytest.mark.parametrize("array", [np.zeros(3, np.float16), np.zeros((0, 3), np.float16), np.zeros((2, 3))])
def test_a_file_that_holds_no_codes_is_refused(tmp_path: Path, array: np.ndarray) -> None:
    write_array(tmp_path / FILE, array)
    with pytest.raises(RunError, match="does not hold features"):
        Reference.read(tmp_path)


def test_a_file_that_could_run_code_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / FILE, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(RunError, match="cannot be read"):
        Reference.read(tmp_path)
