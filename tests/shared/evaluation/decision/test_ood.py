"""The out-of-distribution score and its threshold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared.errors import RunError
from shared.evaluation.decision.ood import (
    FILE,
    MAX_SCORE,
    NEIGHBOUR,
    Reference,
    by_series,
    choose_threshold,
    of_series,
    one_of_each,
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


@pytest.mark.parametrize(("count", "rate"), [(400, 0.01), (2000, 0.05), (30, 0.01), (12, 0.01)])
def test_a_like_input_exceeds_the_threshold_as_rarely_as_was_asked(count: int, rate: float) -> None:
    random = np.random.default_rng(2)
    beyond = []
    for _ in range(400):
        threshold = choose_threshold(np.exp(random.normal(-2, 0.5, count)), rate)
        beyond.append(np.mean(np.exp(random.normal(-2, 0.5, 500)) > threshold))
    assert np.mean(beyond) == pytest.approx(rate, rel=0.35)


def test_a_threshold_from_enough_scores_is_one_of_them() -> None:
    scores = np.random.default_rng(3).uniform(size=500)
    threshold = choose_threshold(scores, 0.01)
    assert threshold in scores
    assert (scores > threshold).sum() == 4  # 501 times 0.01, less the input that is still to come


def test_scores_that_are_all_zero_have_a_threshold() -> None:
    assert 0.0 <= choose_threshold(np.zeros(5), 0.01) < 1e-3


@pytest.mark.parametrize("scores", [[0.3], [0.02, 0.05]])
def test_of_too_few_scores_the_threshold_leaves_nothing_unassessed(scores: list[float]) -> None:
    assert choose_threshold(np.array(scores), 0.01) == MAX_SCORE


def test_a_copy_of_a_training_image_in_validation_does_not_switch_the_score_off() -> None:
    scores = np.exp(np.random.default_rng(5).normal(-3, 0.3, 12))
    with_copy = np.append(scores[:-1], -2.4e-5)
    assert choose_threshold(with_copy, 0.01) < 6 * choose_threshold(scores, 0.01)


def test_series_of_one_patient_count_once() -> None:
    scores = np.array([0.1, 0.3, 0.2, 0.2, 0.9])
    drawn = one_of_each(scores, ["a", "a", "b", "c", "d"], [0, 0, 0, 1, 1], seed=0)
    assert len(drawn) == 2
    assert drawn[0] == pytest.approx(0.2)  # series a (median 0.2) or b
    assert drawn[1] in (0.2, 0.9)
    both = {float(one_of_each(scores, ["a", "a", "b", "c", "d"], [0, 0, 0, 1, 1], seed=seed)[1]) for seed in range(20)}
    assert both == {0.2, 0.9}


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
