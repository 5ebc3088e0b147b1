"""How well features explain labels, from the features alone: LogME and the H-score, without training anything."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.floating]
Labels = NDArray[np.int64]
ITERATIONS, TOLERANCE = 100, 1e-5
"""Of the fixed point of LogME; it takes a handful. Source: You et al., arXiv 2110.10545, section 4."""
EPSILON = 1e-10
"""Keeps the two precisions finite where features explain labels fully, or not at all."""


def log_me(features: Features, labels: Labels) -> float:
    """Logarithm of the maximum evidence a sample, mean over classes; higher is better, and it may be above 0.

    Each class is a linear regression of 0 and 1 on the features, with the precisions that maximise the
    evidence.

    Args:
        features: [N, width].
        labels: [N], at least two classes.

    Raises:
        ValueError: There are fewer than two classes.

    Source: You et al., arXiv 2102.11005, equation 2; its fixed point by singular values, arXiv 2110.10545, algorithm 3.
    """
    kinds = _kinds(labels)
    left, values, _ = np.linalg.svd(features.astype(np.float64), full_matrices=False)
    evidences = [evidence(left, values**2, features.shape[1], (labels == kind).astype(np.float64))[0] for kind in kinds]
    return float(np.mean(evidences)) / len(labels)


def evidence(
    left: NDArray[np.float64], squares: NDArray[np.float64], width: int, target: NDArray[np.float64]
) -> tuple[float, float, float]:
    """The largest logarithm of the evidence of one linear regression, and the precisions of prior and noise there.

    Args:
        left: [N, R] left singular vectors of the features.
        squares: [R] their squared singular values.
        width: Of the features.
        target: [N].
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
        known = float((squares / (squares + ratio)).sum())
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
        alpha, beta = known / max(weight, EPSILON), (count - known) / max(error, EPSILON)
        alpha, beta = max(alpha, EPSILON), max(beta, EPSILON)
    return float(value), alpha, beta


def h_score(features: Features, labels: Labels) -> float:
    """Variance between classes over that of the features, 0 to classes - 1; higher is better.

    The covariance is shrunk towards a multiple of the identity: with fewer samples than values a code, the unshrunk
    score says classes - 1 of any features.

    Args:
        features: [N, width].
        labels: [N], at least two classes.

    Raises:
        ValueError: There are fewer than two classes.

    Source: Bao et al., ICIP 2019, equation 1; shrinkage: Ibrahim et al., arXiv 2110.06893, equation 3, with the
    strength of Ledoit & Wolf, J Multivar Anal 88:365, 2004.
    """
    from sklearn.covariance import ledoit_wolf_shrinkage

    kinds = _kinds(labels)
    centred = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    count, width = centred.shape
    shrinkage = float(ledoit_wolf_shrinkage(centred, assume_centered=True))
    _, values, right = np.linalg.svd(centred, full_matrices=False)
    kept = values > values.max(initial=0.0) * 1e-10
    right, variances = right[kept], values[kept] ** 2 / count
    if not len(variances):
        return 0.0
    spread = (1.0 - shrinkage) * variances + shrinkage * variances.sum() / width
    means = np.stack([centred[labels == kind].mean(axis=0) for kind in kinds]) @ right.T
    shares = np.array([(labels == kind).mean() for kind in kinds])
    return float((1.0 - shrinkage) * (shares[:, None] * means**2 / spread).sum())


def _kinds(labels: Labels) -> Labels:
    kinds = np.unique(labels)
    if len(kinds) < 2:
        raise ValueError("labels are of one class; a score needs two")
    return kinds
