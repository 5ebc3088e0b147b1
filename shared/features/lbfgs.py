"""The minimum of a linear head's penalised loss, over features that may be far larger than memory.

L-BFGS on all features, read block by block; features are never standardised or copied, the weights are.
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
"""Values of features held at once: 64 MiB as float32."""
MAX_ITERATIONS = 300
HISTORY = 10
STRIDE, EVALUATIONS = 5, 25
"""Iterations after which progress is judged (one alone may gain little, and the next much), and what they may cost."""
MIN_VALUE = 1e-3
"""An objective below that is as good as 0: progress is then judged by this in its place."""


class FeatureSource(Protocol):
    """Features [N, width] that are given block by block."""

    @property
    def shape(self) -> tuple[int, ...]:
        """N and width."""

    def block(self, start: int, stop: int) -> Tensor:
        """Features start to stop, float [stop - start, width], on the device of the solver."""


@dataclass(frozen=True)
class InMemoryFeatures:
    """Features that are in memory."""

    features: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """N and width."""
        return tuple(self.features.shape)

    def block(self, start: int, stop: int) -> Tensor:
        """Features start to stop; a view."""
        return self.features[start:stop]


@dataclass(frozen=True)
class Standardiser:
    """The coordinates in which the penalty counts: standardised features.

    Attributes:
        mean: [width] of the features.
        scale: [width], by which they are divided: the standard deviation, 1 where a column hardly varies.
    """

    mean: Tensor
    scale: Tensor

    @classmethod
    def of(cls, features: FeatureSource) -> Standardiser:
        """That of all features, in one pass."""
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
    frame: Standardiser,
    class_weights: Tensor | None = None,
    max_iterations: int = MAX_ITERATIONS,
    tolerance: float = 3e-4,
) -> tuple[Tensor, float]:
    """The minimum of mean loss + penalty / 2 * |W|^2 on standardised features (the bias is free).

    Args:
        features: [N, width].
        labels: int64 [N].
        start: [classes, width + 1], weights for standardised features and bias, where the search begins.
        loss: "softmax" (cross-entropy) or "svm" (one against the rest, squared hinge).
        penalty: L2 strength.
        frame: Of the features.
        class_weights: [classes], mean 1 over the samples; none: all alike.
        max_iterations: Of L-BFGS.
        tolerance: Ends the search when an iteration lowers the objective by less, as a share of it.

    Returns:
        The solution in the form of `start`, and the value of the objective there.

    Source: L-BFGS: Liu & Nocedal, Math Program 45:503, 1989.
    """
    problem = _Problem(features, labels, loss, penalty, frame, class_weights)
    solution = _search(problem, start, max_iterations, tolerance)
    return solution, problem.at(solution)[0]


@dataclass(frozen=True)
class _Problem:
    """The objective."""

    features: FeatureSource
    labels: Tensor
    loss: Loss
    penalty: float
    frame: Standardiser
    class_weights: Tensor | None

    @torch.no_grad()
    def at(self, solution: Tensor) -> tuple[float, Tensor]:
        """Value and gradient, the latter shaped as `solution`. Weights are standardised in place of features."""
        frame, count = self.frame, self.features.shape[0]
        weight = solution[:, :-1] / frame.scale
        bias = solution[:, -1] - weight @ frame.mean
        value, slope, offset = 0.0, torch.zeros_like(weight), torch.zeros_like(bias)
        for start, stop in bounds(self.features):
            block, truth = self.features.block(start, stop), self.labels[start:stop]
            scores = (weight @ block.T).T + bias  # half as fast again as the other way round
            losses, pull = LOSSES[self.loss](scores, truth)
            if self.class_weights is not None:
                of_each = self.class_weights[truth]
                losses, pull = losses * of_each, pull * of_each[:, None]
            value += float(losses.sum(dtype=torch.float64))
            slope += pull.T @ block
            offset += pull.sum(dim=0)
        slope = (slope - offset[:, None] * frame.mean) / (frame.scale * count) + self.penalty * solution[:, :-1]
        value = value / count + 0.5 * self.penalty * float(solution[:, :-1].square().sum(dtype=torch.float64))
        return value, torch.cat([slope, offset[:, None] / count], dim=1)


def _search(problem: _Problem, start: Tensor, max_iterations: int, tolerance: float) -> Tensor:
    """Where L-BFGS ends from `start`: `STRIDE` iterations gained less than `tolerance` of the objective each."""
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
    """The bounds of blocks of `BLOCK_VALUES`."""
    count, width = features.shape
    step = max(1, BLOCK_VALUES // width)
    return ((start, min(start + step, count)) for start in range(0, count, step))


def _softmax(scores: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy [B], and its derivative [B, classes] by the scores."""
    logs = F.log_softmax(scores, dim=1)
    losses = -logs.gather(1, truth[:, None])[:, 0]
    pull = logs.exp_()
    pull[torch.arange(len(truth), device=truth.device), truth] -= 1.0
    return losses, pull


def _squared_hinge(scores: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Squared hinge of each class against the rest, summed [B], and its derivative [B, classes] by the scores."""
    signs = torch.full_like(scores, -1.0)
    signs[torch.arange(len(truth), device=truth.device), truth] = 1.0
    short = F.relu(1.0 - signs * scores)
    return short.square().sum(dim=1), -2.0 * signs * short


LOSSES = {"softmax": _softmax, "svm": _squared_hinge}
