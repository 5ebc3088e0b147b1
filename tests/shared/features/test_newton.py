from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from shared.features import newton, sources
from shared.features.head_objective import HeadObjective
from shared.features.losses import Loss
from shared.features.newton import HeadSolver
from shared.features.sources import InMemoryFeatures, Standardiser


def _problem(classes: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    features, labels = make_classification(
        n_samples=300, n_features=12, n_informative=8, n_classes=classes, class_sep=0.7, random_state=0
    )
    return torch.tensor(features), torch.tensor(labels)


def _solver(features: torch.Tensor, labels: torch.Tensor, loss: Loss = "softmax") -> HeadSolver:
    standardiser = Standardiser(torch.zeros_like(features[0]), torch.ones_like(features[0]))
    return HeadSolver.of(InMemoryFeatures(features), labels, loss, standardiser=standardiser)


def _codes(rows: int = 2_000, width: int = 400, classes: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    """Correlated features, more than there are axes in the preconditioner, far from 0 for their scale."""
    random = torch.Generator().manual_seed(0)
    labels = torch.arange(rows) % classes
    spread = torch.logspace(0, -3, width)
    mixed = (torch.randn(rows, width, generator=random) * spread) @ torch.randn(width, width, generator=random)
    return mixed + torch.randn(classes, width, generator=random)[labels] + 30.0, labels


def test_softmax_reaches_the_minimum_that_scikit_learn_finds() -> None:
    features, labels = _problem()
    penalty = 1e-2
    reference = LogisticRegression(C=1 / (penalty * len(labels)), tol=1e-10, max_iter=5000).fit(features, labels)
    start = torch.zeros(3, 13, dtype=torch.float64)
    solution, _ = _solver(features, labels).minimise(start, penalty, tolerance=1e-12)
    np.testing.assert_allclose(solution[:, :-1].numpy(), reference.coef_, atol=1e-5)


def test_svm_reaches_the_minimum_that_liblinear_finds() -> None:
    features, labels = _problem(classes=2)
    penalty = 1e-2
    reference = LinearSVC(
        C=1 / (penalty * len(labels)), loss="squared_hinge", tol=1e-10, max_iter=200_000, intercept_scaling=1e3
    ).fit(features, labels)
    # liblinear minimises 1/2 |w|^2 + C sum(loss), which is ours times 1 / penalty
    start = torch.zeros(2, 13, dtype=torch.float64)
    solution, _ = _solver(features, labels, "svm").minimise(start, penalty, tolerance=1e-12)
    np.testing.assert_allclose(solution[1, :-1].numpy(), reference.coef_[0], atol=1e-4)
    np.testing.assert_allclose(solution[0].numpy(), -solution[1].numpy(), atol=1e-4)


@pytest.mark.parametrize("loss", ["softmax", "svm"])
@pytest.mark.parametrize("is_fast", [True, False], ids=["bfloat16", "float32"])
def test_the_search_ends_within_a_hundred_thousandth_of_the_minimum(
    monkeypatch: pytest.MonkeyPatch, loss: Loss, is_fast: bool
) -> None:
    monkeypatch.setattr(newton, "multiplies_bf16", lambda: is_fast)
    features, labels = _codes()
    standardiser = Standardiser.of(InMemoryFeatures(features))
    solver = HeadSolver.of(InMemoryFeatures(features), labels, loss, standardiser=standardiser)
    assert (solver.rough is not solver.exact) == (is_fast and loss == "softmax")
    exact = HeadSolver.of(
        InMemoryFeatures(features.double()),
        labels,
        loss,
        standardiser=Standardiser(standardiser.mean.double(), standardiser.scale.double()),
    )
    start = torch.zeros(8, 401)
    for penalty in (1.0, 0.1, 1e-2):
        start, value = solver.minimise(start, penalty)
        _, least = exact.minimise(start.double(), penalty, tolerance=1e-10)
        assert least <= value * (1 + 1e-6)
        assert value <= least * (1 + 1e-5)


def test_the_hessian_of_features_that_are_read_from_disk_is_that_of_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = _codes(rows=1_001, width=20)
    features = (features - features.mean(dim=0)) / features.std(dim=0)
    whole, value = _solver(features, labels).minimise(torch.zeros(8, 21), 1e-2)
    monkeypatch.setattr(newton, "CURVATURE_VALUES", 20 * 400)
    monkeypatch.setattr(sources, "BLOCK_VALUES", 20 * 7)
    solver = _solver(features, labels)
    rough = solver.rough
    assert torch.equal(rough.labels, labels[::3])
    torch.testing.assert_close(rough.features.block(0, 400).float(), features[::3], atol=0.1, rtol=1e-2)
    solution, again = solver.minimise(torch.zeros(8, 21), 1e-2)
    assert again == pytest.approx(value, rel=1e-5)
    torch.testing.assert_close(solution, whole, atol=1e-2, rtol=1e-2)


@pytest.mark.parametrize("loss", ["softmax", "svm"])
def test_gradient_and_hessian_are_derivatives_of_the_value(loss: Loss) -> None:
    features, labels = _problem()
    source = InMemoryFeatures(features)
    weights = torch.tensor([0.5, 1.0, 1.5], dtype=torch.float64)
    problem = HeadObjective(source, labels, loss, Standardiser.of(source), weights)
    point = torch.randn(3, 13, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    _, gradient = problem.at(point, 0.1)
    times, _ = problem.hessian(point, 0.1)
    for place in ((0, 0), (2, 5), (1, 12)):
        step = torch.zeros_like(point)
        step[place] = 1e-6
        (above, upper), (below, lower) = problem.at(point + step, 0.1), problem.at(point - step, 0.1)
        assert float(gradient[place]) == pytest.approx(float((above - below).sum()) / 2e-6, abs=1e-6)
        torch.testing.assert_close(times(step) / 1e-6, (upper - lower) / 2e-6, atol=1e-4, rtol=1e-4)


def test_mean_and_scale_are_those_of_all_features_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "BLOCK_VALUES", 12 * 7)
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
        monkeypatch.setattr(sources, "BLOCK_VALUES", values)
        start = torch.zeros(3, 13, dtype=torch.float64)
        found.append(_solver(features, labels).minimise(start, 1e-2, tolerance=1e-9)[0])
    torch.testing.assert_close(found[0], found[1], atol=1e-5, rtol=1e-5)
