"""Linear heads on codes, solved to convergence: softmax regression and the linear SVM, by L-BFGS on all codes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the field's usual name

Loss = Literal["softmax", "svm"]

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
    codes: Tensor,
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
        codes: float32 [N, width].
        labels: int64 [N].
        classes: Number of classes.
        loss: "softmax" (cross-entropy) or "svm" (one against the rest, squared hinge).
        score: Judges a head on data it was not fitted to; higher is better.
        class_weights: float32 [classes], mean 1 over the samples; none: all alike.
        penalties: L2 strengths, strong to weak.
        patience: Stop after so many strengths without a better score.

    Source: regularisation paths with warm starts: Friedman, Hastie & Tibshirani, J Stat Softw 33(1), 2010.
    """
    mean, scale = _standardisation(codes)
    standard = (codes - mean) / scale
    start = torch.zeros(classes, codes.shape[1] + 1, device=codes.device, dtype=codes.dtype)
    best: tuple[float, LinearHead] | None = None
    waited = 0
    for penalty in penalties:
        start, objective = minimise(standard, labels, start, loss, penalty, class_weights)
        head = _unstandardised(start, mean, scale, penalty, objective)
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


def minimise(
    codes: Tensor,
    labels: Tensor,
    start: Tensor,
    loss: Loss,
    penalty: float,
    class_weights: Tensor | None = None,
    max_iterations: int = 300,
) -> tuple[Tensor, float]:
    """The minimum of mean loss + penalty / 2 * |W|^2 (the bias is free), from `start` [classes, width + 1].

    Returns:
        The solution in the form of `start`, and the value of the objective there.
    """
    solution = start.clone().requires_grad_(True)
    weights = torch.ones(len(labels), device=codes.device) if class_weights is None else class_weights[labels]
    signs = 2.0 * F.one_hot(labels, start.shape[0]).to(codes.dtype) - 1.0
    optimiser = torch.optim.LBFGS(
        [solution],
        max_iter=max_iterations,
        history_size=10,
        tolerance_grad=1e-6,
        tolerance_change=1e-10,
        line_search_fn="strong_wolfe",
    )

    def objective() -> Tensor:
        scores = codes @ solution[:, :-1].T + solution[:, -1]
        if loss == "softmax":
            losses = F.cross_entropy(scores, labels, reduction="none")
        else:
            losses = F.relu(1.0 - signs * scores).square().sum(dim=1)
        return (weights * losses).mean() + 0.5 * penalty * solution[:, :-1].square().sum()

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = objective()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        return solution.detach(), float(objective())


def balanced_weights(labels: NDArray[np.int64], classes: int) -> Tensor:
    """Class weights [classes] inverse to frequency, with mean 1 over the samples; absent classes get 0."""
    counts = np.bincount(labels, minlength=classes).astype(np.float64)
    present = counts > 0
    weights = np.zeros(classes)
    weights[present] = len(labels) / (present.sum() * counts[present])
    return torch.tensor(weights, dtype=torch.float32)


def _standardisation(codes: Tensor) -> tuple[Tensor, Tensor]:
    mean = codes.mean(dim=0)
    scale = codes.std(dim=0, unbiased=False)
    return mean, torch.where(scale > 1e-6 * scale.max().clamp_min(1e-12), scale, torch.ones_like(scale))


def _unstandardised(solution: Tensor, mean: Tensor, scale: Tensor, penalty: float, objective: float) -> LinearHead:
    weight = solution[:, :-1] / scale
    return LinearHead(weight, solution[:, -1] - weight @ mean, penalty, objective)
