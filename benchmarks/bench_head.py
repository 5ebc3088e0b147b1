"""Measures the softmax head against scikit-learn's LogisticRegression at the same penalty and objective value."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from benchmarks.side_by_side import Measured, best_times
from shared.features.lbfgs import InMemoryFeatures, Standardiser, minimise

ROWS, WIDTH, CLASSES, PENALTY = 16_384, 2_304, 46, 1e-2
TOLERANCE = 1e-5
"""Tolerance of our solver; scikit-learn has its default."""
ALIKE = 1e-3


def measure() -> list[Measured]:
    """Measures one penalty, beside scikit-learn.

    Raises:
        RuntimeError: Our objective is more than `ALIKE` above scikit-learn's.
    """
    features, labels = _features()
    standardiser = Standardiser(torch.zeros(WIDTH), torch.ones(WIDTH))
    found: dict[str, float] = {}

    def ours() -> None:
        start = torch.zeros(CLASSES, WIDTH + 1)
        solution, _ = minimise(
            InMemoryFeatures(torch.from_numpy(features)),
            torch.from_numpy(labels),
            start,
            "softmax",
            PENALTY,
            standardiser=standardiser,
            tolerance=TOLERANCE,
        )
        found["ours"] = _objective(features, labels, solution[:, :-1].numpy(), solution[:, -1].numpy())

    def theirs() -> None:
        model = LogisticRegression(C=1 / (PENALTY * len(labels)), max_iter=1000).fit(features, labels)
        found["theirs"] = _objective(features, labels, model.coef_, model.intercept_)

    times, reference = best_times(ours, theirs, repeats=2)
    if found["ours"] > found["theirs"] * (1 + ALIKE):
        raise RuntimeError(f"objective {found['ours']:.6f}, scikit-learn's {found['theirs']:.6f}")
    what = f"softmax head, {ROWS} x {WIDTH} x {CLASSES}, to an objective of {found['ours']:.5f}"
    peer = f"scikit-learn's LogisticRegression, {found['theirs']:.5f}"
    return [Measured(what, times, peer, reference, ">= 3")]


def _features() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Draws standardised features like those of a network: correlated, around a mean of their class."""
    random = np.random.default_rng(0)
    labels = random.integers(CLASSES, size=ROWS)
    hidden = random.normal(size=(CLASSES, 64))[labels] + 1.2 * random.normal(size=(ROWS, 64))
    mixed = np.maximum(hidden @ random.normal(size=(64, WIDTH)) + 4 * random.normal(size=(ROWS, WIDTH)), 0)
    return ((mixed - mixed.mean(0)) / mixed.std(0)).astype(np.float32), labels


def _objective(
    features: NDArray[np.float32], labels: NDArray[np.int64], weight: NDArray[np.floating], bias: NDArray[np.floating]
) -> float:
    scores = (features @ weight.T.astype(np.float32) + bias).astype(np.float64)
    scores -= scores.max(axis=1, keepdims=True)
    losses = np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(len(labels)), labels]
    return float(losses.mean() + PENALTY / 2 * np.square(weight, dtype=np.float64).sum())
