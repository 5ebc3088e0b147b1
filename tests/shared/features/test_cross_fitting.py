"""Heads that are judged by images that they did not see."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from shared.data.folds import Folds
from shared.features.cross_fitting import cross_fitted_epochs, cross_fitted_path
from shared.features.linear import LinearHead, regularisation_path
from shared.features.sources import InMemoryFeatures


def _clouds(width: int) -> tuple[Tensor, Tensor, Folds]:
    """Three classes of ten, each around a mean of its own, in two folds."""
    random = torch.Generator().manual_seed(0)
    labels = torch.arange(30) % 3
    features = torch.randn(3, width, generator=random)[labels] + 1.5 * torch.randn(30, width, generator=random) + 5.0
    return features, labels, Folds(np.arange(30) // 3 % 2, labels.numpy(), np.arange(30))


def _head(features: Tensor, labels: Tensor, penalty: float) -> LinearHead:
    """The head of an ordinary fit."""
    source = InMemoryFeatures(features)
    return regularisation_path(source, labels, 3, loss="softmax", score=lambda _: 0.0, penalties=(penalty,))[0]


@pytest.mark.parametrize("width", [4, 60], ids=["fewer features than images", "more"])
def test_each_fold_is_scored_by_the_head_of_the_others(width: int) -> None:
    features, labels, folds = _clouds(width)
    seen: list[Tensor] = []

    def score(out_of_fold: Tensor) -> float:
        seen.append(out_of_fold.clone())
        return 0.0

    cross_fitted_path(features, labels, folds, 3, loss="softmax", score=score, penalties=(0.1,))
    for rest, held_out in folds.parts():
        expected = _head(features[rest], labels[rest], 0.1).scores(features[held_out])
        torch.testing.assert_close(seen[0][held_out], expected, atol=2e-2, rtol=2e-2)


@pytest.mark.parametrize("solver", ["path", "epochs"])
def test_the_label_of_an_image_has_no_part_in_its_own_scores(solver: str) -> None:
    features, labels, folds = _clouds(60)
    swapped = labels.clone()
    swapped[folds.numbers == 0] = (labels[folds.numbers == 0] + 1) % 3
    found: list[list[Tensor]] = []
    for truth in (labels, swapped):
        seen: list[Tensor] = []

        def score(out_of_fold: Tensor, seen: list[Tensor] = seen) -> float:
            seen.append(out_of_fold.clone())
            return 0.0

        if solver == "path":
            cross_fitted_path(features, truth, folds, 3, loss="softmax", score=score, penalties=(1.0, 0.1))
        else:
            cross_fitted_epochs(features, truth, folds, 3, loss="svm", epochs=2, score=score, seed=0)
        found.append(seen)
    for before, after in zip(*found, strict=True):
        assert torch.equal(before[folds.numbers == 0], after[folds.numbers == 0])
        assert not torch.equal(before[folds.numbers == 1], after[folds.numbers == 1])


def test_the_strength_with_the_best_out_of_fold_score_is_chosen() -> None:
    features, labels, folds = _clouds(60)

    def score(out_of_fold: Tensor) -> float:
        return -float(torch.nn.functional.cross_entropy(out_of_fold, labels))

    penalty, rows = cross_fitted_path(features, labels, folds, 3, loss="softmax", score=score)
    assert penalty == max(rows, key=lambda row: row["validation_score"])["penalty"]
    assert len(rows) >= 5
    assert all(set(row) == {"penalty", "train_objective", "validation_score"} for row in rows)


def test_every_epoch_has_a_row_with_the_score_of_all_folds() -> None:
    features, labels, folds = _clouds(8)

    def accuracy(out_of_fold: Tensor) -> float:
        return float((out_of_fold.argmax(1) == labels).float().mean())

    rows = cross_fitted_epochs(features, labels, folds, 3, loss="softmax", epochs=30, score=accuracy, seed=0)
    assert [row["epoch"] for row in rows] == list(range(1, 31))
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]
    assert rows[-1]["validation_score"] > 0.5
