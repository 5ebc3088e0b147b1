from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.datasets import load_digits, make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from shared.errors import DataError
from shared.features import newton, sources
from shared.features.head_objective import HeadObjective
from shared.features.line_search import Line
from shared.features.losses import LOSSES, Loss
from shared.features.newton import HeadSolver
from shared.features.products import scores_of, sums_of
from shared.features.sources import InMemoryFeatures, Standardiser
from shared.training.objective import balanced_weights


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


Case = tuple[torch.Tensor, torch.Tensor]


def _few_rows() -> Case:
    features, labels = make_classification(n_samples=230, n_features=1_024, n_informative=20, random_state=0)
    return torch.tensor(features, dtype=torch.float32), torch.tensor(labels)


def _digits() -> Case:
    features, labels = load_digits(return_X_y=True)
    few = np.concatenate([np.flatnonzero(labels == digit)[:5] for digit in range(10)])
    return torch.tensor(features[few], dtype=torch.float32), torch.tensor(labels[few])


def _awkward(rows: int = 240, width: int = 60) -> Case:
    """Dead, equal, badly scaled and far away columns; three classes of very unequal size, and one without a row."""
    random = torch.Generator().manual_seed(0)
    labels = (torch.arange(rows) % 4 == 0).long()
    labels[7] = 3
    features = torch.randn(4, width, generator=random)[labels] + torch.randn(rows, width, generator=random)
    features[:, :10] = 7.0
    features[:, 10:20] = features[:, 20:30]
    features[:, 30:40] *= 1e3
    features[:, 40:50] *= 1e-3
    features[:, 50:] += 1e3
    return features, labels


def _separable() -> Case:
    features, labels = _codes(rows=200, width=30, classes=2)
    return features + 100.0 * labels[:, None], labels


CASES = {"few rows": _few_rows, "digits": _digits, "awkward": _awkward, "separable": _separable}


def _least(solver: HeadSolver, start: torch.Tensor, penalty: float) -> float:
    """The least objective that SciPy finds in float64 from a solution."""
    features = solver.exact.features.block(0, len(solver.exact.labels)).double()
    weights = None if solver.exact.class_weights is None else solver.exact.class_weights.double()
    exact = HeadObjective(InMemoryFeatures(features), solver.exact.labels, solver.exact.loss, weights)

    def value(flat: np.ndarray) -> tuple[float, np.ndarray]:
        point = torch.tensor(flat).view(start.shape)
        scores, zero = exact.scores(point), exact.joined(torch.zeros(len(point), 1))
        loss = float(exact.along(scores, torch.zeros_like(scores), zero)[0].sum())
        total = loss + penalty / 2 * float(point[:, :-1].square().sum())
        return total, exact.slope(scores, point, penalty).ravel().numpy()

    options = {"maxiter": 300, "ftol": 1e-15, "gtol": 1e-13, "maxcor": 30}
    return float(minimize(value, start.double().ravel().numpy(), jac=True, method="L-BFGS-B", options=options).fun)


@pytest.mark.parametrize("loss", ["softmax", "svm"])
@pytest.mark.parametrize("case", CASES)
def test_the_search_ends_within_a_hundredth_of_a_percent_of_the_minimum(case: str, loss: Loss) -> None:
    features, labels = CASES[case]()
    source = InMemoryFeatures(features)
    weights = balanced_weights(labels.numpy(), 4) if case == "awkward" else None
    solver = HeadSolver.of(source, labels, loss, standardiser=Standardiser.of(source), class_weights=weights)
    start = torch.zeros(4 if case == "awkward" else int(labels.max()) + 1, features.shape[1] + 1)
    for penalty in (1e-2, 1e-4, 1e-6, 1.0):  # weaker by leaps, then stronger
        start, value = solver.minimise(start, penalty)
        assert value <= _least(solver, start, penalty) * (1 + 1e-4)


@pytest.mark.parametrize("is_fast", [True, False], ids=["bfloat16", "float32"])
def test_rounded_products_change_no_minimum(monkeypatch: pytest.MonkeyPatch, is_fast: bool) -> None:
    monkeypatch.setattr(newton, "multiplies_bf16", lambda: is_fast)
    monkeypatch.setattr(newton, "FEW_VALUES", 0)
    features, labels = _codes()
    source = InMemoryFeatures(features)
    solver = HeadSolver.of(source, labels, "softmax", standardiser=Standardiser.of(source))
    assert (solver.rough is not solver.exact) == is_fast
    start = torch.zeros(8, 401)
    for penalty in (1.0, 1e-2, 1e-4):
        start, value = solver.minimise(start, penalty)
        assert value <= _least(solver, start, penalty) * (1 + 2e-5)


def test_a_bad_model_of_the_curvature_leads_to_the_same_minimum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newton, "FEW_VALUES", 0)
    features, labels = _codes()
    source = InMemoryFeatures(features)
    solver = HeadSolver.of(source, labels, "softmax", standardiser=Standardiser.of(source))
    noise = torch.randn(features.shape, generator=torch.Generator().manual_seed(0))
    bad = HeadObjective(InMemoryFeatures(noise), labels, "softmax", None)
    solution, value = replace(solver, rough=bad).minimise(torch.zeros(8, 401), 1e-2)
    assert value <= _least(solver, solution, 1e-2) * (1 + 1e-4)


@pytest.mark.parametrize("few", [0, 1 << 22], ids=["float32", "float64"])
def test_features_that_are_all_dead_leave_the_shares_of_the_classes(monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr(newton, "FEW_VALUES", few)
    labels = torch.tensor([0, 1, 1, 1])
    source = InMemoryFeatures(torch.full((4, 3), 7.0))
    solver = HeadSolver.of(source, labels, "softmax", standardiser=Standardiser.of(source))
    solution, _ = solver.minimise(torch.zeros(2, 4), 1e-4)
    torch.testing.assert_close(solution[:, -1].softmax(dim=0), torch.tensor([0.25, 0.75]), atol=1e-3, rtol=0.0)


def test_a_part_of_the_features_has_its_share_of_each_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newton, "FEW_VALUES", 0)
    monkeypatch.setattr(newton, "HELD_VALUES", 20 * 600)
    monkeypatch.setattr(newton, "PART_VALUES", 20 * 7)
    features, labels = _codes(rows=1_000, width=20, classes=2)  # every second row: one class alone
    source = InMemoryFeatures(features)
    solver = HeadSolver.of(source, labels, "softmax", standardiser=Standardiser.of(source))
    rough, kept = solver.rough, solver.kept
    assert kept is not None
    assert torch.bincount(rough.labels).tolist() == [250, 250]
    expected = solver.exact.features.block(0, 1_000)[kept]
    torch.testing.assert_close(rough.features.block(0, 500).float(), expected, atol=1e-2, rtol=1e-2)
    solution, value = solver.minimise(torch.zeros(2, 21), 1e-2)
    assert value <= _least(solver, solution, 1e-2) * (1 + 1e-4)


@pytest.mark.parametrize("loss", ["softmax", "svm"])
def test_gradient_and_hessian_are_derivatives_of_the_value(loss: Loss) -> None:
    features, labels = _problem()
    weights = torch.tensor([0.5, 1.0, 1.5], dtype=torch.float64)
    problem = HeadObjective(InMemoryFeatures(features), labels, loss, weights)
    random = torch.Generator().manual_seed(0)
    point, step = (torch.randn(3, 13, dtype=torch.float64, generator=random) for _ in range(2))

    def at(length: float) -> tuple[float, float, torch.Tensor]:
        line = Line.of(problem, point, problem.scores(point), step, problem.scores(step), 0.1)
        value, slope = line.at(torch.full_like(line.norms[0], length))
        gradient = problem.slope(problem.scores(point + length * step), point + length * step, 0.1)
        return float(value.sum()), float(slope.sum()), gradient

    (above, _, upper), (below, _, lower), (_, slope, gradient) = at(1e-6), at(-1e-6), at(0.0)
    assert slope == pytest.approx((above - below) / 2e-6, rel=1e-5)
    assert slope == pytest.approx(float((gradient * step).sum()), rel=1e-9)
    times, _ = problem.hessian(problem.scores(point), 0.1)
    torch.testing.assert_close(times(step), (upper - lower) / 2e-6, atol=1e-4, rtol=1e-4)


def test_a_step_that_leads_too_far_is_shortened() -> None:
    features, labels = _problem()
    problem = HeadObjective(InMemoryFeatures(features), labels, "softmax", None)
    point = torch.zeros(3, 13, dtype=torch.float64)
    scores = problem.scores(point)
    step = -1e9 * problem.slope(scores, point, 0.1)
    length, value, before = Line.of(problem, point, scores, step, problem.scores(step), 0.1).search()
    assert 0.0 < float(length) < 1.0
    assert float(value) < float(before)
    length, value, before = Line.of(problem, point, scores, -step, problem.scores(-step), 0.1).search()
    assert float(length) == 0.0  # up the slope
    assert float(value) == float(before)


@pytest.mark.parametrize("shape", [(300, 64), (0, 64), (1, 1)])
def test_products_are_those_of_float64(shape: tuple[int, int]) -> None:
    block, weight = torch.randn(shape), torch.randn(5, shape[1] + 1)[:, :-1]
    slopes = torch.randn(5, shape[0]).T
    torch.testing.assert_close(scores_of(block, weight), (block.double() @ weight.double().T).float())
    torch.testing.assert_close(
        sums_of(slopes, block), (slopes.double().T @ block.double()).float(), atol=1e-5, rtol=1e-4
    )


@pytest.mark.parametrize("share", [1.0, 1e-4, 1e-9])
def test_a_class_that_is_all_but_certain_keeps_its_loss_and_slope(share: float) -> None:
    scores = torch.tensor([[0.0, float(np.log(share))]])
    losses, slopes = LOSSES["softmax"](scores, torch.tensor([0]))
    assert float(losses) == pytest.approx(np.log1p(share), rel=1e-5)
    assert slopes.tolist()[0] == pytest.approx([-share / (1 + share), share / (1 + share)], rel=1e-5)


def test_mean_and_scale_are_those_of_all_features_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "BLOCK_VALUES", 12 * 7)
    features = _problem()[0] * 50 + 1000
    features[:, 3] = 7.0
    standardiser = Standardiser.of(InMemoryFeatures(features))
    torch.testing.assert_close(standardiser.mean, features.mean(dim=0))
    expected = features.std(dim=0, unbiased=False)
    expected[3] = 1.0
    torch.testing.assert_close(standardiser.scale, expected)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
def test_features_without_mean_or_scale_are_refused_before_a_head_is_fitted(value: float) -> None:
    features = torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
    features[5, 3] = value
    with pytest.raises(DataError, match=r"^1 of 4 features have values that are not finite"):
        Standardiser.of(InMemoryFeatures(features))


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = _problem()
    found = []
    for values in (1 << 24, 12 * 7):
        monkeypatch.setattr(sources, "BLOCK_VALUES", values)
        start = torch.zeros(3, 13, dtype=torch.float64)
        found.append(_solver(features, labels).minimise(start, 1e-2, tolerance=1e-9)[0])
    torch.testing.assert_close(found[0], found[1], atol=1e-5, rtol=1e-5)
