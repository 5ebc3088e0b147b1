from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from shared.features import ridge
from shared.features.ridge import out_of_fold


def _features(shift: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 90)
    features = random.normal(size=(90, 20))
    features[np.arange(90), labels] += shift
    return features, labels, np.arange(90) % 3


def test_scores_are_those_of_weighted_ridge_regression_solved_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ridge, "PENALTIES", (0.1,))
    features, labels, folds = _features(1.0)
    found = out_of_fold(features, labels, 3, folds)
    train, test = folds != 0, folds == 0
    standard = (features - features[train].mean(0)) / features[train].std(0) / np.sqrt(20)
    level = np.mean(np.sum(standard[train] ** 2, axis=1))
    features = np.hstack([standard, np.full((90, 1), np.sqrt(10.0 * level))])
    weights = (1.0 / np.bincount(labels[train], minlength=3))[labels[train]]
    weights = weights / weights.mean()
    inner = features[train].T @ (weights[:, None] * features[train]) + 0.1 * level * np.eye(21)
    # the square roots of the weights are normalised too, which scales all of them alike
    root = np.sqrt((1.0 / np.bincount(labels[train], minlength=3))[labels[train]])
    scale = (np.sqrt(root**2 / (root**2).mean()) ** 2).mean()
    assert scale == pytest.approx(1.0)
    solved = np.linalg.solve(inner, features[train].T @ (weights[:, None] * np.eye(3)[labels[train]]))
    assert found[test] == pytest.approx(features[test] @ solved)


def test_separable_classes_are_found_and_others_are_not() -> None:
    for shift, low, high in ((4.0, 0.95, 1.0), (0.0, 0.15, 0.5)):
        features, labels, folds = _features(shift)
        assert low <= (out_of_fold(features, labels, 3, folds).argmax(1) == labels).mean() <= high


def test_labels_of_a_fold_have_no_part_in_its_scores() -> None:
    features, labels, folds = _features(1.0)
    other = np.where(folds == 1, (labels + 1) % 3, labels)
    same = folds == 1
    assert out_of_fold(features, labels, 3, folds)[same] == pytest.approx(out_of_fold(features, other, 3, folds)[same])


@pytest.mark.parametrize("change", [lambda rows: rows * 50, lambda rows: rows + 7, np.zeros_like])
def test_features_of_a_fold_set_no_scale_for_it(change: Callable[[np.ndarray], np.ndarray]) -> None:
    features, labels, folds = _features(1.0)
    kept, *others = np.flatnonzero(folds == 1)
    changed = features.copy()
    changed[others] = change(features[others])
    before, after = (out_of_fold(one, labels, 3, folds) for one in (features, changed))
    assert after[kept] == pytest.approx(before[kept], rel=1e-9)
    assert after[others] != pytest.approx(before[others])
