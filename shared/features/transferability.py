"""Transferability scores of features, LogME and the H-score: how well they explain labels, without any training."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.floating]
Labels = NDArray[np.int64]
ITERATIONS, TOLERANCE = 100, 1e-5
"""Most iterations of LogME's fixed point, and its relative tolerance; it takes a handful of iterations.

Source: You et al., arXiv 2110.10545, section 4.
"""
EPSILON = 1e-10
"""Keeps the two precisions finite where features explain labels fully, or not at all."""


def log_me(features: Features, labels: Labels) -> float:
    """Computes LogME: the logarithm of the maximum evidence per sample, mean over classes; higher is better.

    Each class is a linear regression of 0 and 1 on the features, with the precisions that maximise the evidence. Values
    may be above 0.

    Args:
        features: float [N, width].
        labels: int64 [N], of at least two classes.

    Raises:
        ValueError: There are fewer than two classes.

    Source: You et al., arXiv 2102.11005, equation 2; its fixed point by singular values, arXiv 2110.10545, algorithm 3.
    """
    classes = _classes(labels)
    left, values, _ = np.linalg.svd(features.astype(np.float64), full_matrices=False)
    width = features.shape[1]
    evidences = [evidence(left, values**2, width, (labels == label).astype(np.float64))[0] for label in classes]
    return float(np.mean(evidences)) / len(labels)


def evidence(
    left: NDArray[np.float64], squares: NDArray[np.float64], width: int, target: NDArray[np.float64]
) -> tuple[float, float, float]:
    """Computes the largest log evidence of a Bayesian linear regression, and the precisions at which it is reached.

    Args:
        left: float64 [N, R], left singular vectors of the features.
        squares: float64 [R], squared singular values of the features.
        width: Width of the features.
        target: float64 [N], values to explain.

    Returns:
        Log evidence in nats; precision of the prior of the weights (alpha); precision of the noise (beta).
    """
    count = len(target)
    inside = (left.T @ target) ** 2
    outside = max(float(target @ target - inside.sum()), 0.0)
    alpha = beta = 1.0
    before = -np.inf
    for _ in range(ITERATIONS):
        ratio = alpha / beta
        weight = float((squares * inside / (ratio + squares) ** 2).sum())
        error = float((inside * (ratio / (ratio + squares)) ** 2).sum()) + outside
        effective = float((squares / (squares + ratio)).sum())  # number of well determined parameters
        value = 0.5 * (
            width * np.log(alpha)
            + count * np.log(beta / (2 * np.pi))
            - beta * error
            - alpha * weight
            - np.log(alpha + beta * squares).sum()
            - (width - len(squares)) * np.log(alpha)
        )
        if abs(value - before) <= TOLERANCE * max(1.0, abs(value)):
            break
        before = value
        alpha, beta = effective / max(weight, EPSILON), (count - effective) / max(error, EPSILON)
        alpha, beta = max(alpha, EPSILON), max(beta, EPSILON)
    return float(value), alpha, beta


def h_score(features: Features, labels: Labels) -> float:
    """Computes the H-score: variance between classes over total variance, 0 to classes - 1; higher is better.

    The covariance is shrunk towards a multiple of the identity: with fewer samples than features, the score without
    shrinkage is classes - 1 for any features.

    Args:
        features: float [N, width].
        labels: int64 [N], of at least two classes.

    Raises:
        ValueError: There are fewer than two classes.

    Source: Bao et al., ICIP 2019, equation 1; shrinkage: Ibrahim et al., arXiv 2110.06893, equation 3, with the
    strength of Ledoit & Wolf, J Multivar Anal 88:365, 2004.
    """
    from sklearn.covariance import ledoit_wolf_shrinkage

    classes = _classes(labels)
    centred = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    count, width = centred.shape
    shrinkage = float(ledoit_wolf_shrinkage(centred, assume_centered=True))
    _, values, right = np.linalg.svd(centred, full_matrices=False)
    kept = values > values.max(initial=0.0) * 1e-10
    right, variances = right[kept], values[kept] ** 2 / count
    if not len(variances):
        return 0.0
    spread = (1.0 - shrinkage) * variances + shrinkage * variances.sum() / width
    means = np.stack([centred[labels == label].mean(axis=0) for label in classes]) @ right.T
    shares = np.array([(labels == label).mean() for label in classes])
    return float((1.0 - shrinkage) * (shares[:, None] * means**2 / spread).sum())


def _classes(labels: Labels) -> Labels:
    """Lists the classes that occur, at least two."""
    classes = np.unique(labels)
    if len(classes) < 2:
        raise ValueError(f"labels are of {len(classes)} class; a transferability score needs two or more")
    return classes
