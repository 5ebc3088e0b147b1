"""The minimum of a linear head's penalised loss, over codes that may be far larger than memory.

L-BFGS on all codes, read block by block. Where the processor multiplies bfloat16 faster, the way there is walked on
codes rounded to it, and only the end in full precision.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the field's usual name

Loss = Literal["softmax", "svm"]

BLOCK_VALUES = 1 << 24
"""Values of codes held at once: 64 MiB as float32."""
MAX_ITERATIONS = 300
HISTORY = 10
STRIDE = 5
"""Iterations after which progress is judged: one alone may gain little, and the next much."""
SMALLEST = 1e-3
"""An objective below that is as good as 0: progress is then judged by this in its place."""
ROUNDED_TOLERANCE = 3e-5
"""Where the search on rounded codes ends: their noise is about as large (measured on codes of SqueezeNet)."""


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
    tolerance: float = 1e-4,
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
    ways = [(problem, tolerance)]
    if start.dtype == torch.float32 and _rounds_fast(start.device):
        rounded = Rounded(codes, frame)
        source = Held(_whole(rounded)) if isinstance(codes, Held) else rounded
        ways.insert(0, (replace(problem, codes=source, frame=Frame.identity(frame)), ROUNDED_TOLERANCE))
    solution = _search(ways, start, max_iterations)
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
            scores = (weight.to(block.dtype) @ block.T).T.to(bias.dtype) + bias
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


def _search(ways: Sequence[tuple[_Problem, float]], start: Tensor, max_iterations: int) -> Tensor:
    """Where L-BFGS ends from `start`, along problems that are all about the same, and what it learnt on the last one.

    Args:
        ways: Each problem, and the share of the objective that an iteration must gain for it to go on.
        start: As of `minimise`.
        max_iterations: On each.
    """
    point = start.clone().requires_grad_(True)
    optimiser = torch.optim.LBFGS(
        [point],
        max_iter=STRIDE,
        history_size=HISTORY,
        tolerance_grad=0.0,
        tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )
    value = 0.0
    for problem, tolerance in ways:

        def closure(problem: _Problem = problem) -> float:
            nonlocal value
            value, point.grad = problem.at(point.detach())
            return value

        before = float("inf")
        for _ in range(-(-max_iterations // STRIDE)):
            optimiser.step(closure)  # type: ignore[no-untyped-call]
            if before - value <= STRIDE * tolerance * max(value, SMALLEST):
                break
            before = value
    return point.detach()


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
