"""A row of a linear head for a class of which there are few examples, the other rows left as they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
PENALTY = 1.0
"""Of the ridge, as a share of the mean squared length of the features; 0.1 to 5 are alike on
DHCD (docs/lab-log.md, 2026-11-26)."""


@dataclass(frozen=True)
class Row:
    """One output of a linear head.

    Attributes:
        weight: float64 [width].
        bias: In the scale of the head's other scores.
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
) -> Row:
    """The new row: on examples it beats the best old score, on old images it stays below it, by the usual margin.

    A ridge regression of such scores, in which examples together weigh as much as the images of one old class. The
    margin is the median lead of the best old score on old images, so that the row speaks in the scale of the others.

    Args:
        examples: [k, width], features of the new class.
        reference: [M, width], directions (or features) of old images, taken at the mean length of the examples.
        weight: [classes, width] of the head.
        bias: [classes].
        penalty: On the squared weights.

    Source: a new row from the features of few examples, by way of least squares: Qi, Brown & Lowe, CVPR 2018 (imprinted
        weights); Bertinetto et al., ICLR 2019 (ridge regression in its dual form).
    """
    new = examples.astype(np.float64)
    old = reference.astype(np.float64)
    old *= np.linalg.norm(new, axis=1).mean() / np.linalg.norm(old, axis=1, keepdims=True).clip(1e-12)
    scores = [features @ weight.T.astype(np.float64) + bias for features in (old, new)]
    ordered = np.sort(scores[0], axis=1)
    margin = float(np.median(ordered[:, -1] - ordered[:, -2]))
    wanted = np.concatenate([ordered[:, -1] - margin, scores[1].max(axis=1) + margin])
    of_a_class = max(1.0, len(old) / len(weight))
    weights = np.sqrt(np.concatenate([np.ones(len(old)), np.full(len(new), of_a_class / len(new))]))[:, np.newaxis]
    features = np.concatenate([old, new])
    centre = (weights**2 * features).sum(axis=0) / (weights**2).sum()
    level = float((weights[:, 0] ** 2 * wanted).sum() / (weights**2).sum())
    scaled = weights * (features - centre)
    gram = scaled @ scaled.T
    strength = penalty * float(np.trace(gram)) / len(gram)
    # dual: there are fewer images than numbers of a code
    mixes = np.linalg.solve(gram + strength * np.eye(len(gram)), weights[:, 0] * (wanted - level))
    row = scaled.T @ mixes
    return Row(row, level - float(row @ centre))
