"""Linear heads on features: softmax regression and the linear SVM, solved along a path of penalties."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from shared.features.lbfgs import FeatureSource, Loss, Standardiser, minimise

PENALTIES = tuple(10.0**exponent for exponent in range(1, -7, -1))
"""L2 strengths tried, strong to weak, so that each solution starts the next."""
STEP_BETWEEN = 10.0**0.5
"""The strengths next to the best one that are tried last."""


@dataclass(frozen=True)
class LinearHead:
    """A fitted linear map from features to class scores.

    Attributes:
        weight: float32 [classes, width], for features as the backbone gives them (standardisation is folded in).
        bias: float32 [classes].
        penalty: The L2 strength it was fitted with.
        objective: Final value of the penalised mean training loss.
    """

    weight: Tensor
    bias: Tensor
    penalty: float
    objective: float

    def scores(self, features: Tensor) -> Tensor:
        """Class scores [N, classes] of features [N, width]."""
        return features @ self.weight.T + self.bias


def regularisation_path(
    features: FeatureSource,
    labels: Tensor,
    classes: int,
    *,
    loss: Loss,
    score: Callable[[LinearHead], float],
    class_weights: Tensor | None = None,
    penalties: Sequence[float] = PENALTIES,
    patience: int = 2,
) -> tuple[LinearHead, list[dict[str, Any]]]:
    """Fits heads along a path of falling L2 strength, each from the last, and returns the one that scores best.

    Strengths on both sides of the best one, half a step away, are tried at the end.

    Args:
        features: float32 [N, width], in memory (`InMemoryFeatures`) or on disk.
        labels: int64 [N].
        classes: Number of classes.
        loss: "softmax" (cross-entropy) or "svm" (one against the rest, squared hinge).
        score: Judges a head on data it was not fitted to; higher is better.
        class_weights: float32 [classes], mean 1 over the samples; none: all alike.
        penalties: L2 strengths, strong to weak.
        patience: Stop after so many strengths without a better score.

    Returns:
        The head, and a row for each one tried: `penalty`, `train_objective`, `validation_score`.

    Source: regularisation paths with warm starts: Friedman, Hastie & Tibshirani, J Stat Softw 33(1), 2010.
    """
    if not penalties:
        raise ValueError("penalties is empty")
    frame = Standardiser.of(features)
    start = torch.zeros(classes, features.shape[1] + 1, device=frame.mean.device, dtype=frame.mean.dtype)

    def fitted(penalty: float, start: Tensor) -> _Tried:
        solution, objective = minimise(features, labels, start, loss, penalty, frame=frame, class_weights=class_weights)
        head = _unstandardised(solution, frame, penalty, objective)
        return _Tried(score(head), solution, head)

    tried: list[_Tried] = []
    for penalty in penalties:
        tried.append(fitted(penalty, tried[-1].solution if tried else start))
        best = max(range(len(tried)), key=lambda i: tried[i].score)
        if len(tried) - 1 - best == patience:
            break
    top = tried[best]
    if len(penalties) > 1:
        tried += [fitted(top.head.penalty * factor, top.solution) for factor in (STEP_BETWEEN, 1 / STEP_BETWEEN)]
    rows = [
        {"penalty": one.head.penalty, "train_objective": one.head.objective, "validation_score": one.score}
        for one in tried
    ]
    return max(tried, key=lambda one: one.score).head, rows


@dataclass(frozen=True)
class _Tried:
    """A head, its score, and the solution from which the next one starts."""

    score: float
    solution: Tensor
    head: LinearHead


def _unstandardised(solution: Tensor, frame: Standardiser, penalty: float, objective: float) -> LinearHead:
    weight = solution[:, :-1] / frame.scale
    return LinearHead(weight, solution[:, -1] - weight @ frame.mean, penalty, objective)
