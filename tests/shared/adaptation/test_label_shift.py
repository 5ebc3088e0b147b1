from __future__ import annotations

import numpy as np
import pytest

from shared.adaptation.label_shift import estimate_prior

CONFUSION = np.array([[0.8, 0.1, 0.1], [0.15, 0.7, 0.15], [0.05, 0.25, 0.7]])
"""[true, predicted]"""


def _predictions(counts: list[int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """One-hot predictions of a classifier with the error rates of `CONFUSION`, and the truth."""
    random = np.random.default_rng(seed)
    labels = np.repeat([0, 1, 2], counts)
    answers = np.array([random.choice(3, p=CONFUSION[label]) for label in labels])
    return np.eye(3)[answers], labels


def test_the_prior_is_found_through_the_mistakes() -> None:
    source, labels = _predictions([1000, 1000, 1000], 0)
    target, truth = _predictions([2000, 200, 800], 1)
    true = np.bincount(truth) / len(truth)
    found = estimate_prior(source, labels, target)
    naive = target.mean(axis=0)
    assert found.sum() == pytest.approx(1)
    assert np.abs(found - true).max() < 0.03 < np.abs(naive - true).max()


def test_no_share_is_negative_and_of_an_unseen_class_none() -> None:
    source, labels = _predictions([300, 300, 0], 2)
    target, _ = _predictions([300, 0, 0], 3)
    found = estimate_prior(source, labels, target)
    assert found[2] == 0
    assert found.min() >= 0
    assert found[0] > 0.9
