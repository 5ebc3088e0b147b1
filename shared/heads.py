"""Linear heads on codes: softmax regression and the linear SVM, solved along a path of penalties."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shared.head_solver import CodeSource, Frame, Loss, minimise

PENALTIES = tuple(10.0**exponent for exponent in np.arange(1.0, -6.1, -0.5))
"""L2 strengths tried, strong to weak, so that each solution starts the next."""


@dataclass(frozen=True)
class LinearHead:
    """A fitted linear map from codes to class scores.

    Attributes:
        weight: float32 [classes, width], for codes as the backbone gives them (standardisation is folded in).
        bias: float32 [classes].
        penalty: The L2 strength it was fitted with.
        objective: Final value of the penalised mean training loss.
    """

    weight: Tensor
    bias: Tensor
    penalty: float
    objective: float

    def scores(self, codes: Tensor) -> Tensor:
        """Class scores [N, classes] of codes [N, width]."""
        return codes @ self.weight.T + self.bias


def fit_path(
    codes: CodeSource,
    labels: Tensor,
    classes: int,
    *,
    loss: Loss,
    score: Callable[[LinearHead], float],
    class_weights: Tensor | None = None,
    penalties: Sequence[float] = PENALTIES,
    patience: int = 3,
) -> LinearHead:
    """Fits heads along a path of falling L2 strength, each from the last, and returns the one that scores best.

    Args:
        codes: float32 [N, width], in memory (`Held`) or on disk.
        labels: int64 [N].
        classes: Number of classes.
        loss: "softmax" (cross-entropy) or "svm" (one against the rest, squared hinge).
        score: Judges a head on data it was not fitted to; higher is better.
        class_weights: float32 [classes], mean 1 over the samples; none: all alike.
        penalties: L2 strengths, strong to weak.
        patience: Stop after so many strengths without a better score.

    Source: regularisation paths with warm starts: Friedman, Hastie & Tibshirani, J Stat Softw 33(1), 2010.
    """
    frame = Frame.of(codes)
    start = torch.zeros(classes, codes.shape[1] + 1, device=frame.mean.device, dtype=frame.mean.dtype)
    best: tuple[float, LinearHead] | None = None
    waited = 0
    for penalty in penalties:
        start, objective = minimise(codes, labels, start, loss, penalty, frame=frame, class_weights=class_weights)
        head = _unstandardised(start, frame, penalty, objective)
        value = score(head)
        if best is None or value > best[0]:
            best, waited = (value, head), 0
        else:
            waited += 1
        if waited == patience:
            break
    if best is None:
        raise ValueError("penalties is empty")
    return best[1]


def balanced_weights(labels: NDArray[np.int64], classes: int) -> Tensor:
    """Class weights [classes] inverse to frequency, with mean 1 over the samples; absent classes get 0."""
    counts = np.bincount(labels, minlength=classes).astype(np.float64)
    present = counts > 0
    weights = np.zeros(classes)
    weights[present] = len(labels) / (present.sum() * counts[present])
    return torch.tensor(weights, dtype=torch.float32)


def _unstandardised(solution: Tensor, frame: Frame, penalty: float, objective: float) -> LinearHead:
    weight = solution[:, :-1] / frame.scale
    return LinearHead(weight, solution[:, -1] - weight @ frame.mean, penalty, objective)
