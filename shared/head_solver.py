"""The minimum of a linear head's penalised loss, over codes that may be far larger than memory.

L-BFGS on all codes, read block by block. Where the processor multiplies bfloat16 faster, the way there is walked on
codes rounded to it, and only the end in full precision.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult
from scipy.optimize import minimize as scipy_minimise
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the field's usual name

Loss = Literal["softmax", "svm"]

BLOCK_VALUES = 1 << 24
"""Values of codes held at once: 64 MiB as float32."""
MAX_ITERATIONS = 300
HISTORY = 10
SMALLEST = 1e-3
"""An objective below that is as good as 0: progress is then judged by this in its place."""


class CodeSource(Protocol):
    """Codes [N, width] that are given block by block."""

    @property
    def shape(self) -> tuple[int, ...]:
        """N and width."""

    def block(self, start: int, stop: int) -> Tensor:
        """Codes start to stop, float [stop - start, width], on the device of the solver."""


@dataclass(frozen=True)
class Held:
    """Codes that are in memory."""

    codes: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """N and width."""
        return tuple(self.codes.shape)

    def block(self, start: int, stop: int) -> Tensor:
        """Codes start to stop; a view."""
        return self.codes[start:stop]


@dataclass(frozen=True)
class Rounded:
    """Codes that are standardised and rounded to bfloat16 whenever they are asked for."""

    codes: CodeSource
    frame: Frame

    @property
    def shape(self) -> tuple[int, ...]:
        """N and width."""
        return self.codes.shape

    def block(self, start: int, stop: int) -> Tensor:
        """Codes start to stop, bfloat16."""
        return ((self.codes.block(start, stop) - self.frame.mean) / self.frame.scale).bfloat16()


@dataclass(frozen=True)
class Frame:
    """The coordinates in which the penalty counts: standardised codes.

    Attributes:
        mean: [width] of the codes.
        scale: [width], by which they are divided: the standard deviation, 1 where a column hardly varies.
    """

    mean: Tensor
    scale: Tensor

    @classmethod
    def of(cls, codes: CodeSource) -> Frame:
        """That of all codes, in one pass."""
        count, width = codes.shape
        first = codes.block(0, 1)
        total, squares = (torch.zeros(width, dtype=torch.float64, device=first.device) for _ in range(2))
        shift = first[0]  # keeps the squares small where a column lies far from 0
        for start, stop in _bounds(codes):
            block = codes.block(start, stop) - shift
            total += block.sum(dim=0, dtype=torch.float64)
            squares += block.square().sum(dim=0, dtype=torch.float64)
        mean = total / count
        scale = (squares / count - mean.square()).clamp_min(0).sqrt()
        scale = torch.where(scale > 1e-6 * scale.max().clamp_min(1e-12), scale, torch.ones_like(scale))
        return cls((mean + shift).to(first.dtype), scale.to(first.dtype))

    @classmethod
    def identity(cls, like: Frame) -> Frame:
        """That of codes which are standardised already."""
        return cls(torch.zeros_like(like.mean), torch.ones_like(like.scale))


def minimise(
    codes: CodeSource,
    labels: Tensor,
    start: Tensor,
    loss: Loss,
    penalty: float,
    *,
    frame: Frame,
    class_weights: Tensor | None = None,
    max_iterations: int = MAX_ITERATIONS,
    tolerance: float = 3e-4,
) -> tuple[Tensor, float]:
    """The minimum of mean loss + penalty / 2 * |W|^2 on standardised codes (the bias is free).

    Args:
        codes: [N, width].
        labels: int64 [N].
        start: [classes, width + 1], weights for standardised codes and bias, where the search begins.
        loss: "softmax" (cross-entropy) or "svm" (one against the rest, squared hinge).
        penalty: L2 strength.
        frame: Of the codes.
        class_weights: [classes], mean 1 over the samples; none: all alike.
        max_iterations: Of L-BFGS.
        tolerance: Ends the search when an iteration lowers the objective by less, as a share of it.

    Returns:
        The solution in the form of `start`, and the value of the objective there.

    Source: L-BFGS: Liu & Nocedal, Math Program 45:503, 1989.
    """
    problem = _Problem(codes, labels, loss, penalty, frame, class_weights)
    if start.dtype == torch.float32 and _rounds_fast(start.device):
        rounded = Rounded(codes, frame)
        source = Held(_whole(rounded)) if isinstance(codes, Held) else rounded
        coarse = replace(problem, codes=source, frame=Frame.identity(frame))
        start = _search(coarse, start, max_iterations, tolerance)
    solution = _search(problem, start, max_iterations, tolerance)
    return solution, problem.at(solution)[0]


@dataclass(frozen=True)
class _Problem:
    """The objective."""

    codes: CodeSource
    labels: Tensor
    loss: Loss
    penalty: float
    frame: Frame
    class_weights: Tensor | None

    @torch.no_grad()
    def at(self, solution: Tensor) -> tuple[float, Tensor]:
        """Value and gradient, the latter in the form of `solution`. Not the codes are standardised: the weights are."""
        frame, count = self.frame, self.codes.shape[0]
        weight = solution[:, :-1] / frame.scale
        bias = solution[:, -1] - weight @ frame.mean
        value, slope, offset = 0.0, torch.zeros_like(weight), torch.zeros_like(bias)
        for start, stop in _bounds(self.codes):
            block, truth = self.codes.block(start, stop), self.labels[start:stop]
            scores = _scores(block, weight) + bias
            losses, pull = _LOSSES[self.loss](scores, truth)
            if self.class_weights is not None:
                of_each = self.class_weights[truth]
                losses, pull = losses * of_each, pull * of_each[:, None]
            value += float(losses.sum(dtype=torch.float64))
            slope += pull.to(block.dtype).T @ block
            offset += pull.sum(dim=0)
        slope = (slope - offset[:, None] * frame.mean) / (frame.scale * count) + self.penalty * solution[:, :-1]
        value = value / count + 0.5 * self.penalty * float(solution[:, :-1].square().sum(dtype=torch.float64))
        return value, torch.cat([slope, offset[:, None] / count], dim=1)


def _search(problem: _Problem, start: Tensor, max_iterations: int, tolerance: float) -> Tensor:
    """Where L-BFGS ends from `start`: an iteration gained less than `tolerance` of the objective."""

    def at(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        value, gradient = problem.at(torch.from_numpy(flat).to(start).view_as(start))
        return value, gradient.double().cpu().numpy().ravel()

    before = float("inf")

    def judge(intermediate_result: OptimizeResult) -> None:
        nonlocal before
        value = float(intermediate_result.fun)
        if before - value <= tolerance * max(value, SMALLEST):
            raise StopIteration
        before = value

    options = {"maxiter": max_iterations, "maxcor": HISTORY, "ftol": 0.0, "gtol": 0.0}
    flat = start.double().cpu().numpy().ravel()
    found = scipy_minimise(at, flat, jac=True, method="L-BFGS-B", callback=judge, options=options)
    return torch.from_numpy(found.x).to(start).view_as(start)


def _rounds_fast(device: torch.device) -> bool:
    """Whether bfloat16 is multiplied faster than float32 there."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    probe = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(probe and probe())


def _whole(codes: CodeSource) -> Tensor:
    return torch.cat([codes.block(start, stop) for start, stop in _bounds(codes)])


def _bounds(codes: CodeSource) -> Iterator[tuple[int, int]]:
    """The bounds of blocks of `BLOCK_VALUES`."""
    count, width = codes.shape
    step = max(1, BLOCK_VALUES // width)
    return ((start, min(start + step, count)) for start in range(0, count, step))


def _scores(block: Tensor, weight: Tensor) -> Tensor:
    """Products [B, classes] in the precision of `weight`, which is kept where the codes are rounded."""
    if block.dtype == weight.dtype:
        return (weight @ block.T).T  # half as fast again as the other way round
    high = weight.to(block.dtype)
    low = (weight - high.to(weight.dtype)).to(block.dtype)
    both = (block @ torch.cat([high, low]).T).to(weight.dtype)
    return both[:, : len(weight)] + both[:, len(weight) :]


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


_LOSSES = {"softmax": _softmax, "svm": _squared_hinge}
