"""Few-shot learning: a row for a new class in a linear head, fitted to few examples; the other rows stay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
PENALTY = 1.0
"""Ridge penalty, as a multiple of the mean squared length of the centred features. On DHCD 0.1 to 5 gave like results
(measured once, not recorded)."""


@dataclass(frozen=True)
class HeadRow:
    """The weights of one class in a linear head.

    Attributes:
        weight: float64 [width].
        bias: Bias of the class; scores are on the scale of the head's other classes.
    """

    weight: Values
    bias: float


def fit_row(
    examples: NDArray[np.floating],
    reference: NDArray[np.floating],
    weight: NDArray[np.floating],
    bias: NDArray[np.floating],
    *,
    penalty: float = PENALTY,
) -> HeadRow:
    """Fits the row of a new class by ridge regression on few examples of it and on images of the old classes.

    The regression aims at the best old score plus a margin on examples, and at the best old score minus the margin on
    old images. The margin is the median lead of the best old score over the second on old images, so that the row is on
    the scale of the others. All examples together weigh as much as the images of one old class.

    Args:
        examples: float [k, width], features of the new class.
        reference: float [M, width], features of old images, or their directions; scaled to the mean length of
            `examples`.
        weight: float [classes, width], weights of the old head.
        bias: float [classes], biases of the old head.
        penalty: Strength of the ridge, as a multiple of the mean squared length of the centred features, above 0.

    Returns:
        The row; nothing else in the head changes.

    Source: a new row from the features of few examples, by way of least squares: Qi, Brown & Lowe, CVPR 2018 (imprinted
        weights); Bertinetto et al., ICLR 2019 (ridge regression in its dual form).
    """
    new = examples.astype(np.float64)
    old = reference.astype(np.float64)
    old *= np.linalg.norm(new, axis=1).mean() / np.linalg.norm(old, axis=1, keepdims=True).clip(1e-12)
    scores = [features @ weight.T.astype(np.float64) + bias for features in (old, new)]
    ordered = np.sort(scores[0], axis=1)
    margin = float(np.median(ordered[:, -1] - ordered[:, -2]))
    targets = np.concatenate([ordered[:, -1] - margin, scores[1].max(axis=1) + margin])
    class_size = max(1.0, len(old) / len(weight))
    weights = np.sqrt(np.concatenate([np.ones(len(old)), np.full(len(new), class_size / len(new))]))[:, np.newaxis]
    features = np.concatenate([old, new])
    centre = (weights**2 * features).sum(axis=0) / (weights**2).sum()
    level = float((weights[:, 0] ** 2 * targets).sum() / (weights**2).sum())
    scaled = weights * (features - centre)
    gram = scaled @ scaled.T
    strength = penalty * float(np.trace(gram)) / len(gram)
    # the dual form is the smaller one: there are fewer images than features
    dual = np.linalg.solve(gram + strength * np.eye(len(gram)), weights[:, 0] * (targets - level))
    row = scaled.T @ dual
    return HeadRow(row, level - float(row @ centre))
