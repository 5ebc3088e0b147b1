"""The out-of-distribution score and its threshold."""

from __future__ import annotations

from dataclasses import replace
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


def test_the_score_is_the_distance_to_the_tenth_nearest_in_deviations_of_training() -> None:
    random = np.random.default_rng(1)
    spread = np.array([3.0, 2.0, 1.0, 0.5, 0.5, 0.5])
    train, feature = random.normal(size=(16, 6)) * spread + 2.0, random.normal(size=(1, 6)) * spread
    directions = train / np.linalg.norm(train, axis=1, keepdims=True)
    place = feature / np.linalg.norm(feature)
    variances, axes = np.linalg.eigh(np.cov(directions.T, bias=True))
    # 16 images allow for two components; all other directions have the deviation of the second
    deviations = np.sqrt(np.maximum(variances, variances[-2]))
    distances = np.sort(np.linalg.norm((place - directions) @ axes / deviations, axis=1))
    scale = np.sqrt((((directions - directions.mean(axis=0)) @ axes / deviations) ** 2).sum(axis=1).mean())
    expected = 2.0 * distances[NEIGHBOUR - 1] / (distances[NEIGHBOUR - 1] + scale)
    assert Reference.of(train).scores(feature)[0] == pytest.approx(expected, abs=2e-3)  # kept as float16


def test_a_layer_of_short_features_counts_like_one_of_long_features() -> None:
    random = np.random.default_rng(2)
    late = 1000.0 * _cone(random, 400, axis=0)
    train = np.hstack([_cone(random, 400, axis=0), late])
    like = np.hstack([_cone(random, 50, axis=0), late[:50]])
    unlike = np.hstack([_cone(random, 50, axis=1), late[:50]])
    blind, seeing = Reference.of(train), Reference.of(train, [16, 16])
    assert seeing.scores(unlike).min() > seeing.scores(like).max()
    assert blind.scores(unlike).min() < blind.scores(like).max()


def test_features_that_are_of_no_layer_do_not_count() -> None:
    random = np.random.default_rng(3)
    train = np.hstack([_cone(random, 100, axis=0), np.ones((100, 1))])
    low, high = train[:5].copy(), train[:5].copy()
    low[:, -1], high[:, -1] = -90.0, 90.0
    reference = Reference.of(train, [16])
    np.testing.assert_allclose(reference.scores(low), reference.scores(high), atol=2e-3)


def test_more_features_than_images_are_compared_alike() -> None:
    random = np.random.default_rng(5)
    reference = Reference.of(_cone(random, 60, axis=0, width=200))
    assert reference.axes.shape == (7, 200)
    np.testing.assert_allclose(reference.axes @ reference.axes.T, np.eye(7), atol=1e-4)
    like, unlike = _cone(random, 20, axis=0, width=200), _cone(random, 20, axis=1, width=200)
    assert reference.scores(like).max() < reference.scores(unlike).min()


def test_features_that_never_vary_leave_no_denormal_numbers_which_are_slow() -> None:
    random = np.random.default_rng(7)
    train = np.hstack([_cone(random, 300, axis=0), np.zeros((300, 16)), 1e-6 * random.normal(size=(300, 16))])
    reference = Reference.of(train)
    sizes = np.abs(np.concatenate([reference.axes.ravel(), reference.mean]))
    assert sizes[sizes > 0].min() > np.finfo(np.float32).tiny


def test_one_example_of_a_new_class_makes_its_images_familiar() -> None:
    random = np.random.default_rng(6)
    reference, others = Reference.of(_cone(random, 200, axis=0)), _cone(random, 20, axis=1)
    before, after = reference.scores(others[1:]), reference.joined(others[:1]).scores(others[1:])
    assert after.max() < before.min()
    assert reference.joined(others[:1]).scores(others[:1])[0] < 0.05


def test_few_training_images_and_codes_without_direction_give_a_score() -> None:
    same = Reference.of(np.ones((3, 4)))
    assert same.scores(np.ones((1, 4)))[0] == pytest.approx(0.0, abs=1e-3)
    assert 1.0 < same.scores(np.zeros((1, 4)))[0] < 2.0


def test_the_first_and_last_slices_of_a_series_do_not_decide() -> None:
    assert of_series(np.array([0.9, 0.1, 0.1, 0.1, 0.9])) == pytest.approx(0.1)
    scores = by_series(np.array([0.9, 0.2, 0.1, 0.3, 0.1]), ["b", "a", "b", "a", "b"])
    assert scores.tolist() == pytest.approx([0.1, 0.25])


def test_codes_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    reference = Reference.of(random.normal(size=(70, 5)), [3, 1])
    reference.write(tmp_path)
    features = random.normal(size=(9, 5))
    assert np.array_equal(Reference.read(tmp_path).scores(features), reference.scores(features))


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("features", np.zeros(3, np.float16)),
        ("features", np.zeros((0, 4), np.float16)),
        ("features", np.zeros((2, 4))),
        ("axes", np.zeros((1, 5), np.float32)),
        ("mean", np.zeros(3, np.float32)),
        ("widths", np.array([3, 3])),
        ("widths", np.array([-1])),
        ("deviations", np.zeros(1, np.float32)),
        ("scale", np.zeros((), np.float32)),
    ],
)
def test_a_file_that_holds_no_reference_is_refused(tmp_path: Path, name: str, array: np.ndarray) -> None:
    replace(Reference.of(np.ones((2, 4))), **{name: array}).write(tmp_path)
    with pytest.raises(RunError, match="does not hold features"):
        Reference.read(tmp_path)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    Reference.of(np.ones((2, 4))).write(tmp_path)
    content = (tmp_path / FILE).read_bytes()
    (tmp_path / "missing").mkdir()
    for folder, damaged in (("cut", content[: len(content) // 2]), ("empty", b""), ("text", b"features")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / FILE).write_bytes(damaged)
    for folder in ("missing", "cut", "empty", "text"):
        with pytest.raises(RunError, match="cannot be read"):
            Reference.read(tmp_path / folder)


def test_a_file_that_could_run_code_is_refused(tmp_path: Path) -> None:
    with (tmp_path / FILE).open("wb") as stream:
        np.savez(stream, features=np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(RunError, match="cannot be read"):
        Reference.read(tmp_path)
