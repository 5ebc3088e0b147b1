from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import make_classification

from shared.evaluation.calibration import fit_temperature
from shared.features.linear import regularisation_path
from shared.features.sources import InMemoryFeatures
from shared.training.objective import balanced_weights


def _problem(classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    return make_classification(
        n_samples=300, n_features=12, n_informative=8, n_classes=classes, class_sep=0.7, random_state=0
    )


def test_the_path_keeps_the_head_that_scores_best() -> None:
    features, labels = _problem()
    tensor = torch.tensor(features, dtype=torch.float32)
    seen: list[float] = []

    def score(head: object) -> float:
        seen.append(head.penalty)  # type: ignore[attr-defined]
        return (0.1, 0.2, 0.3, 1.0)[len(seen) - 1] if len(seen) <= 4 else 0.0

    head, _ = regularisation_path(InMemoryFeatures(tensor), torch.tensor(labels), 3, loss="softmax", score=score)
    assert head.penalty == seen[3]
    # two weaker ones were tried, then patience ended the path; then those half a step to both sides
    assert seen[3:] == pytest.approx([1e-2, 1e-3, 1e-4, 1e-2 * 10**0.5, 1e-2 / 10**0.5])


def test_a_strength_between_the_steps_is_found() -> None:
    features, labels = _problem()
    tensor = torch.tensor(features, dtype=torch.float32)
    best = 10**-1.5
    head, _ = regularisation_path(
        InMemoryFeatures(tensor),
        torch.tensor(labels),
        3,
        loss="softmax",
        score=lambda head: -abs(np.log(head.penalty / best)),
    )
    assert head.penalty == pytest.approx(best)


def test_standardisation_is_folded_in() -> None:
    features, labels = _problem()
    shifted = torch.tensor(features * 50 + 1000, dtype=torch.float32)
    plain = torch.tensor(features, dtype=torch.float32)
    heads = [
        regularisation_path(
            InMemoryFeatures(c), torch.tensor(labels), 3, loss="softmax", score=lambda _: 0.0, penalties=(0.1,)
        )[0]
        for c in (shifted, plain)
    ]
    torch.testing.assert_close(heads[0].scores(shifted), heads[1].scores(plain), atol=2e-2, rtol=1e-2)


def test_a_constant_feature_is_harmless() -> None:
    features, labels = _problem()
    features[:, 3] = 7.0
    head, _ = regularisation_path(
        InMemoryFeatures(torch.tensor(features, dtype=torch.float32)),
        torch.tensor(labels),
        3,
        loss="softmax",
        score=lambda _: 0.0,
    )
    assert torch.isfinite(head.weight).all()


def test_balanced_weights_average_one_over_the_samples() -> None:
    labels = np.array([0, 0, 0, 1])
    weights = balanced_weights(labels, 3)
    assert weights[2] == 0
    assert weights[torch.tensor(labels)].mean() == pytest.approx(1.0)
    assert weights[1] == pytest.approx(3 * float(weights[0]))


def test_temperature_undoes_a_known_overconfidence() -> None:
    random = np.random.default_rng(0)
    scores = random.normal(size=(20_000, 3)) * 2
    probabilities = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    labels = np.array([random.choice(3, p=row) for row in probabilities])
    assert fit_temperature(scores * 3.0, labels) == pytest.approx(3.0, rel=0.05)


def test_the_rows_of_the_path_list_all_strengths() -> None:
    features, labels = _problem()
    head, rows = regularisation_path(
        InMemoryFeatures(torch.tensor(features, dtype=torch.float32)),
        torch.tensor(labels),
        3,
        loss="softmax",
        score=lambda head: -head.objective,
        penalties=(1.0, 0.1),
    )
    assert [row["penalty"] for row in rows] == pytest.approx([1.0, 0.1, 0.1 * 10**0.5, 0.1 / 10**0.5])
    assert head.penalty == min(rows, key=lambda row: row["train_objective"])["penalty"]
