"""How far to go along a step of a linear head, told from class scores alone: no product with features is needed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from shared.features.head_objective import HeadObjective

FLAT = 0.1
"""Share of the first slope along a step that may be left at its end."""
MAX_TRIALS = 30
"""Most lengths that are tried."""


@dataclass(frozen=True)
class Line:
    """The objective along a step from a point, by the length of the step: a convex function.

    Where classes are not coupled (`HeadObjective.joined`), each has its own length: n is the number of lengths.

    Attributes:
        objective: The objective.
        scores: float [N, classes], class scores at the point.
        moves: float [N, classes], their change in a step of length 1.
        penalty: L2 strength.
        norms: float64 [n, 1] three times: |W|^2 at the point, its inner product with the step, and |W|^2 of the step.
    """

    objective: HeadObjective
    scores: Tensor
    moves: Tensor
    penalty: float
    norms: tuple[Tensor, Tensor, Tensor]

    @classmethod
    def of(
        cls, objective: HeadObjective, point: Tensor, scores: Tensor, step: Tensor, moves: Tensor, penalty: float
    ) -> Line:
        """Makes the line from a point, float [classes, width + 1], along a step of the same shape."""
        pairs = ((point, point), (point, step), (step, step))
        own, across, square = (objective.joined(_inner(first[:, :-1], second[:, :-1])) for first, second in pairs)
        return cls(objective, scores, moves, penalty, (own, across, square))

    def at(self, length: Tensor) -> tuple[Tensor, Tensor]:
        """Computes the objective and its derivative at a length, float64 [n, 1] all three."""
        own, across, square = self.norms
        value, slope = self.objective.along(self.scores, self.moves, length)
        value = value + self.penalty / 2 * (own + length * (2 * across + length * square))
        return value, slope + self.penalty * (across + length * square)

    def search(self) -> tuple[Tensor, Tensor, Tensor]:
        """Finds a length, from 1 on, where the slope is `FLAT` and the objective not above that at 0.

        Where none is found, the objective still falls at the length that is returned: by convexity it is lower there.

        Returns:
            The length, 0 where the objective does not fall at all, and the objective there and at 0; float64 [n, 1].
        """
        low = torch.zeros_like(self.norms[0])
        start, first = self.at(low)
        high, low_slope, high_slope = torch.full_like(low, torch.inf), first, torch.zeros_like(first)
        length = (first < 0).to(low.dtype)
        for _ in range(MAX_TRIALS):
            value, slope = self.at(length)
            is_good = (length == 0) | ((slope.abs() <= -FLAT * first) & (value <= start))
            if is_good.all():
                return length, value, start
            is_short = slope < 0
            low, low_slope = torch.where(is_short, length, low), torch.where(is_short, slope, low_slope)
            high, high_slope = torch.where(is_short, high, length), torch.where(is_short, high_slope, slope)
            share = (low_slope / (low_slope - high_slope)).clamp(0.1, 0.5)  # halved, where far too long
            new = torch.where(high.isinf(), 2 * low, low + share * (high - low))
            length = torch.where(is_good, length, new)
        length = torch.where(is_good, length, low)
        return length, self.at(length)[0], start


def _inner(first: Tensor, second: Tensor) -> Tensor:
    """Inner products of the rows of two tensors, float64 [n, 1]."""
    return (first.double() * second.double()).sum(dim=1, keepdim=True)
