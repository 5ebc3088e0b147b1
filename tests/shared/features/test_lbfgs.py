from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from shared.features import lbfgs
from shared.features.lbfgs import InMemoryFeatures, Loss, Standardiser, minimise


def _problem(classes: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    features, labels = make_classification(
        n_samples=300, n_features=12, n_informative=8, n_classes=classes, class_sep=0.7, random_state=0
    )
    return torch.tensor(features), torch.tensor(labels)


def _plain(features: torch.Tensor) -> Standardiser:
    return Standardiser(torch.zeros_like(features[0]), torch.ones_like(features[0]))


def test_softmax_reaches_the_minimum_that_scikit_learn_finds() -> None:
    features, labels = _problem()
    penalty = 1e-2
    reference = LogisticRegression(C=1 / (penalty * len(labels)), tol=1e-10, max_iter=5000).fit(features, labels)
    start = torch.zeros(3, 13, dtype=torch.float64)
    solution, _ = minimise(
        InMemoryFeatures(features), labels, start, "softmax", penalty, standardiser=_plain(features), tolerance=1e-10
    )
    np.testing.assert_allclose(solution[:, :-1].numpy(), reference.coef_, atol=2e-3)


def test_svm_reaches_the_minimum_that_liblinear_finds() -> None:
    features, labels = _problem(classes=2)
    penalty = 1e-2
    reference = LinearSVC(
        C=1 / (penalty * len(labels)), loss="squared_hinge", tol=1e-10, max_iter=200_000, intercept_scaling=1e3
    ).fit(features, labels)
    # liblinear minimises 1/2 |w|^2 + C sum(loss), which is ours times 1 / penalty
    start = torch.zeros(2, 13, dtype=torch.float64)
    solution, _ = minimise(
        InMemoryFeatures(features), labels, start, "svm", penalty, standardiser=_plain(features), tolerance=1e-10
    )
    np.testing.assert_allclose(solution[1, :-1].numpy(), reference.coef_[0], atol=5e-3)
    np.testing.assert_allclose(solution[0].numpy(), -solution[1].numpy(), atol=5e-3)


@pytest.mark.parametrize("loss", ["softmax", "svm"])
def test_the_gradient_is_that_of_the_value(loss: Loss) -> None:
    features, labels = _problem()
    weights = torch.tensor([0.5, 1.0, 1.5], dtype=torch.float64)
    problem = lbfgs._Problem(
        InMemoryFeatures(features), labels, loss, 0.1, Standardiser.of(InMemoryFeatures(features)), weights
    )
    point = torch.randn(3, 13, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    _, gradient = problem.at(point)
    for place in ((0, 0), (2, 5), (1, 12)):
        step = torch.zeros_like(point)
        step[place] = 1e-6
        slope = (problem.at(point + step)[0] - problem.at(point - step)[0]) / 2e-6
        assert float(gradient[place]) == pytest.approx(slope, abs=1e-6)


def test_mean_and_scale_are_those_of_all_features_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lbfgs, "BLOCK_VALUES", 12 * 7)
    features = _problem()[0] * 50 + 1000
    features[:, 3] = 7.0
    standardiser = Standardiser.of(InMemoryFeatures(features))
    torch.testing.assert_close(standardiser.mean, features.mean(dim=0))
    expected = features.std(dim=0, unbiased=False)
    expected[3] = 1.0
    torch.testing.assert_close(standardiser.scale, expected)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = _problem()
    found = []
    for values in (1 << 24, 12 * 7):
        monkeypatch.setattr(lbfgs, "BLOCK_VALUES", values)
        standardiser, start = Standardiser.of(InMemoryFeatures(features)), torch.zeros(3, 13, dtype=torch.float64)
        found.append(
            minimise(
                InMemoryFeatures(features), labels, start, "softmax", 1e-2, standardiser=standardiser, tolerance=1e-9
            )[0]
        )
    torch.testing.assert_close(found[0], found[1], atol=1e-5, rtol=1e-5)
