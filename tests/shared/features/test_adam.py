from __future__ import annotations

import pytest
import torch
from sklearn.datasets import make_classification

from shared.features import sources
from shared.features.adam import fit_epochs
from shared.features.linear import LinearHead, regularisation_path
from shared.features.sources import InMemoryFeatures
from shared.reporting.figures.curves import training_curve


def _problem() -> tuple[InMemoryFeatures, torch.Tensor]:
    features, labels = make_classification(
        n_samples=600, n_features=12, n_informative=8, n_classes=3, class_sep=1.5, random_state=0
    )
    return InMemoryFeatures(torch.tensor(features * 30 + 400, dtype=torch.float32)), torch.tensor(labels)


def _accuracy(head: LinearHead, features: InMemoryFeatures, labels: torch.Tensor) -> float:
    return float((head.scores(features.features).argmax(1) == labels).float().mean())


def test_many_epochs_come_near_the_converged_head() -> None:
    features, labels = _problem()
    head, rows = fit_epochs(features, labels, 3, loss="softmax", epochs=15, score=lambda h: -h.objective, seed=0)
    converged, _ = regularisation_path(features, labels, 3, loss="softmax", score=lambda _: 0.0, penalties=(1e-4,))
    assert _accuracy(head, features, labels) > _accuracy(converged, features, labels) - 0.05
    assert [row["epoch"] for row in rows] == list(range(1, 16))
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]
    assert all(row["seconds"] > 0 for row in rows)


def test_the_epoch_that_scores_best_is_kept() -> None:
    features, labels = _problem()
    seen: list[LinearHead] = []

    def score(head: LinearHead) -> float:
        seen.append(head)
        return (0.0, 1.0, 0.5)[len(seen) - 1]

    head, _ = fit_epochs(features, labels, 3, loss="svm", epochs=3, score=score, seed=0)
    assert torch.equal(head.weight, seen[1].weight)


def test_the_order_depends_on_the_seed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "BLOCK_VALUES", 12 * 100)
    features, labels = _problem()
    weights = [
        fit_epochs(features, labels, 3, loss="softmax", epochs=2, score=lambda _: 0.0, seed=seed)[0].weight
        for seed in (0, 0, 1)
    ]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_its_epochs_are_drawn_after_a_layer_search_too() -> None:
    features, labels = torch.eye(4), torch.tensor([0, 1, 0, 1])
    _, rows = fit_epochs(InMemoryFeatures(features), labels, 2, loss="softmax", epochs=2, score=lambda _: 0.5, seed=0)
    layer_row = {"layers": ["fire5"], "validation_score": -0.2}
    assert training_curve(rows) == training_curve([layer_row, *rows]) is not None
    assert training_curve([layer_row]) is None
