"""L-BFGS for the penalised loss of a linear head, on features that may be far larger than memory.

Features are read block by block. Not they but the weights are standardised, so that no copy of them is made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the field's usual name

Loss = Literal["softmax", "svm"]

BLOCK_VALUES = 1 << 24
"""Values of features that are in memory at once: 64 MiB as float32."""
MAX_ITERATIONS = 300
"""Most iterations of L-BFGS."""
HISTORY = 10
"""Past steps from which L-BFGS estimates the curvature."""
STRIDE, EVALUATIONS = 5, 25
"""Iterations between two tests of convergence (one may gain little and the next much), and their most evaluations."""
MIN_VALUE = 1e-3
"""Smallest value of the objective against which progress is measured; below it the objective is as good as 0."""


class FeatureSource(Protocol):
    """Features float [N, width] that are read block by block."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, width): number of rows, and number of features of each."""

    def block(self, start: int, stop: int) -> Tensor:
        """Reads rows `start` to `stop`, float [stop - start, width], on the device of the solver."""


@dataclass(frozen=True)
class InMemoryFeatures:
    """Features in memory.

    Attributes:
        features: float [N, width].
    """

    features: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, width): number of rows, and number of features of each."""
        return tuple(self.features.shape)

    def block(self, start: int, stop: int) -> Tensor:
        """Returns rows `start` to `stop` as a view, float [stop - start, width]."""
        return self.features[start:stop]


@dataclass(frozen=True)
class Standardiser:
    """Mean and scale by which features are standardised; the penalty applies to weights of standardised features.

    Attributes:
        mean: float [width], mean of each feature.
        scale: float [width], standard deviation of each feature; 1 where a feature hardly varies.
    """

    mean: Tensor
    scale: Tensor

    @classmethod
    def of(cls, features: FeatureSource) -> Standardiser:
        """Computes mean and scale of features in one pass, block by block.

        Args:
            features: float [N, width], at least one row.
        """
        count, width = features.shape
        first = features.block(0, 1)
        total, squares = (torch.zeros(width, dtype=torch.float64, device=first.device) for _ in range(2))
        shift = first[0]  # keeps the squares small where a column lies far from 0
        for start, stop in bounds(features):
            block = features.block(start, stop) - shift
            total += block.sum(dim=0, dtype=torch.float64)
            squares += block.square().sum(dim=0, dtype=torch.float64)
        mean = total / count
        scale = (squares / count - mean.square()).clamp_min(0).sqrt()
        scale = torch.where(scale > 1e-6 * scale.max().clamp_min(1e-12), scale, torch.ones_like(scale))
        return cls((mean + shift).to(first.dtype), scale.to(first.dtype))


def minimise(
    features: FeatureSource,
    labels: Tensor,
    start: Tensor,
    loss: Loss,
    penalty: float,
    *,
    standardiser: Standardiser,
    class_weights: Tensor | None = None,
    max_iterations: int = MAX_ITERATIONS,
    tolerance: float = 3e-4,
) -> tuple[Tensor, float]:
    """Minimises mean loss + penalty / 2 * |W|^2 of a linear head on standardised features; the bias is not penalised.

    Args:
        features: float [N, width], not standardised.
        labels: int64 [N].
        start: float [classes, width + 1], weights for standardised features and bias, from which the search starts.
        loss: "softmax" (cross-entropy) or "svm" (one against the rest, squared hinge).
        penalty: L2 strength, above 0.
        standardiser: Mean and scale of the features.
        class_weights: float [classes], weights of the classes, mean 1 over the samples; None: all alike.
        max_iterations: Most iterations of L-BFGS.
        tolerance: The search ends when an iteration lowers the objective by less than this share of it.

    Returns:
        The solution in the form of `start`, and the value of the objective there.

    Source: L-BFGS: Liu & Nocedal, Math Program 45:503, 1989.
    """
    problem = _Problem(features, labels, loss, penalty, standardiser, class_weights)
    solution = _search(problem, start, max_iterations, tolerance)
    return solution, problem.at(solution)[0]


@dataclass(frozen=True)
class _Problem:
    """The objective of `minimise` as a function of the solution."""

    features: FeatureSource
    labels: Tensor
    loss: Loss
    penalty: float
    standardiser: Standardiser
    class_weights: Tensor | None

    @torch.no_grad()
    def at(self, solution: Tensor) -> tuple[float, Tensor]:
        """Computes the value and the gradient, shaped as `solution`, with weights standardised in place of features."""
        mean, scale, count = self.standardiser.mean, self.standardiser.scale, self.features.shape[0]
        weight = solution[:, :-1] / scale
        bias = solution[:, -1] - weight @ mean
        value, weight_slope, bias_slope = 0.0, torch.zeros_like(weight), torch.zeros_like(bias)
        for start, stop in bounds(self.features):
            block, truth = self.features.block(start, stop), self.labels[start:stop]
            scores = (weight @ block.T).T + bias  # half as fast again as the other way round
            losses, slopes = LOSSES[self.loss](scores, truth)
            if self.class_weights is not None:
                sample_weights = self.class_weights[truth]
                losses, slopes = losses * sample_weights, slopes * sample_weights[:, None]
            value += float(losses.sum(dtype=torch.float64))
            weight_slope += slopes.T @ block
            bias_slope += slopes.sum(dim=0)
        weight_slope = (weight_slope - bias_slope[:, None] * mean) / (scale * count) + self.penalty * solution[:, :-1]
        value = value / count + 0.5 * self.penalty * float(solution[:, :-1].square().sum(dtype=torch.float64))
        return value, torch.cat([weight_slope, bias_slope[:, None] / count], dim=1)


def _search(problem: _Problem, start: Tensor, max_iterations: int, tolerance: float) -> Tensor:
    """Runs L-BFGS from `start` until `STRIDE` iterations gain less than `tolerance` of the objective each."""
    point = start.clone().requires_grad_(True)
    optimiser = torch.optim.LBFGS(
        [point],
        max_iter=1,
        max_eval=EVALUATIONS,
        history_size=HISTORY,
        tolerance_grad=0.0,
        tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )
    (options,) = optimiser.param_groups
    value, gradient = problem.at(start)
    # torch first tries a step of length 1 / |g|_1 in place of 1 / |g|_2, which takes ten evaluations to make up for
    options["lr"] = float(gradient.abs().sum() / gradient.norm().clamp_min(1e-12))

    def closure() -> float:
        nonlocal value
        value, point.grad = problem.at(point.detach())
        return value

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    options.update(lr=1.0, max_iter=STRIDE, max_eval=EVALUATIONS)
    for _ in range(max_iterations // STRIDE):
        before = value
        optimiser.step(closure)  # type: ignore[no-untyped-call]
        if before - value <= STRIDE * tolerance * max(value, MIN_VALUE):
            break
    return point.detach()


def bounds(features: FeatureSource) -> Iterator[tuple[int, int]]:
    """Divides features into consecutive blocks of rows that hold at most `BLOCK_VALUES` values each, or one row.

    Args:
        features: float [N, width]; without rows there is no block.

    Yields:
        (start, stop) of each block, `stop` exclusive.
    """
    count, width = features.shape
    step = max(1, BLOCK_VALUES // width)
    return ((start, min(start + step, count)) for start in range(0, count, step))


def _softmax(scores: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Computes the cross-entropy [B], and its derivative [B, classes] by the scores."""
    logs = F.log_softmax(scores, dim=1)
    losses = -logs.gather(1, truth[:, None])[:, 0]
    slopes = logs.exp_()
    slopes[torch.arange(len(truth), device=truth.device), truth] -= 1.0
    return losses, slopes


def _squared_hinge(scores: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Computes the squared hinge of each class against the rest, summed [B], and its derivative by the scores."""
    signs = torch.full_like(scores, -1.0)
    signs[torch.arange(len(truth), device=truth.device), truth] = 1.0
    shortfall = F.relu(1.0 - signs * scores)
    return shortfall.square().sum(dim=1), -2.0 * signs * shortfall


LOSSES = {"softmax": _softmax, "svm": _squared_hinge}
