"""Measures the softmax head against scikit-learn's LogisticRegression, both to 0.1% of the least objective."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from benchmarks.side_by_side import Measured, best_times
from shared.features.newton import HeadSolver
from shared.features.sources import InMemoryFeatures, Standardiser

ROWS, WIDTH, CLASSES, PENALTY = 16_384, 2_304, 46, 1e-2
LEAST = 1e-7
"""Tolerance of our solver for the least objective."""
TOLERANCES = (1e-2, 3e-3, 1e-3, 3e-4, 1e-4), (1e-4, 7e-5, 5e-5, 3e-5, 2e-5, 1e-5)
"""Tolerances of ours and of scikit-learn, of which the loosest that comes `NEAR` the least objective is timed."""
NEAR = 1e-3
"""Share of the least objective by which both may lie above it."""


def measure() -> list[Measured]:
    """Measures one penalty, from zeros, beside scikit-learn, both `NEAR` the least objective.

    Raises:
        RuntimeError: One of both does not come as near.
    """
    features, labels = _features()
    standardiser = Standardiser(torch.zeros(WIDTH), torch.ones(WIDTH))

    def ours(tolerance: float) -> float:
        solver = HeadSolver.of(
            InMemoryFeatures(torch.from_numpy(features)), torch.from_numpy(labels), "softmax", standardiser=standardiser
        )
        solution, _ = solver.minimise(torch.zeros(CLASSES, WIDTH + 1), PENALTY, tolerance=tolerance)
        return _objective(features, labels, solution[:, :-1].numpy(), solution[:, -1].numpy())

    def theirs(tolerance: float) -> float:
        model = LogisticRegression(C=1 / (PENALTY * len(labels)), tol=tolerance, max_iter=1000).fit(features, labels)
        return _objective(features, labels, model.coef_, model.intercept_)

    bound = ours(LEAST) * (1 + NEAR)
    own, peers = (
        next((one for one in tolerances if fit(one) <= bound), None)
        for fit, tolerances in zip((ours, theirs), TOLERANCES, strict=True)
    )
    if own is None or peers is None:
        raise RuntimeError(f"an objective of {bound:.6f} is not reached by ours or by scikit-learn: {own}, {peers}")
    times, reference = best_times(lambda: ours(own), lambda: theirs(peers), repeats=2)
    what = f"softmax head, {ROWS} x {WIDTH} x {CLASSES}, to 0.1% of the least objective, tolerance {own:g}"
    return [Measured(what, times, f"scikit-learn's LogisticRegression, tolerance {peers:g}", reference, ">= 3")]


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
