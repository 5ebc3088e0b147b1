"""The penalised loss of a linear head on features: scores, value, gradient, and products with the Hessian."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from shared.features.losses import CURVATURES, LOSSES, Loss
from shared.features.products import scores_of, sums_of
from shared.features.sources import FeatureSource, bounds

PART_VALUES = 1 << 21
"""Values of features that are multiplied at once on a CPU, whose cache holds them."""


@dataclass(frozen=True)
class HeadObjective:
    """Mean loss + penalty / 2 * |W|^2 of a linear head on standardised features; the bias is not penalised.

    A solution is float [classes, width + 1]: weights and bias. Where features are bfloat16, only products are.

    Attributes:
        features: float [N, width], standardised.
        labels: int64 [N].
        loss: "softmax" (cross-entropy) or "svm" (one against the rest, squared hinge).
        class_weights: float [classes], weights of the classes, mean 1 over the samples; None: all alike.
    """

    features: FeatureSource
    labels: Tensor
    loss: Loss
    class_weights: Tensor | None

    def joined(self, values: Tensor) -> Tensor:
        """Adds up values of the classes, [classes, 1], to [1, 1]; but where the objective is a sum of one a class."""
        return values if self.loss == "svm" else values.sum(dim=0, keepdim=True)

    @torch.no_grad()
    def scores(self, solution: Tensor) -> Tensor:
        """Computes class scores, float [N, classes]."""
        found = solution.new_empty(len(self.labels), len(solution))
        for start, stop, block in self._parts():
            torch.add(scores_of(block, solution[:, :-1].to(block.dtype)), solution[:, -1], out=found[start:stop])
        return found

    @torch.no_grad()
    def along(self, scores: Tensor, moves: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """Computes the mean loss at `scores + length * moves`, without the penalty, and its derivative by the length.

        Args:
            scores: float [N, classes].
            moves: float [N, classes], change of the scores in a step of length 1.
            length: float [1, 1] or [classes, 1] (`joined`).

        Returns:
            float64, shaped as `length` both.
        """
        value = derivative = torch.zeros_like(length, dtype=torch.float64)
        for start, stop in self._rows():
            move = moves[start:stop]
            losses, slopes = self._losses(scores[start:stop] + length.T.to(move.dtype) * move, start, stop)
            value = value + losses.sum(dim=0, dtype=torch.float64)[:, None]
            derivative = derivative + self.joined(slopes.mul_(move).sum(dim=0, dtype=torch.float64)[:, None])
        return value / len(self.labels), derivative / len(self.labels)

    @torch.no_grad()
    def slope(self, scores: Tensor, solution: Tensor, penalty: float) -> Tensor:
        """Computes the gradient, in the form of `solution`, whose scores are given."""
        total = torch.zeros_like(solution)
        for start, stop, block in self._parts():
            self._add(total, self._losses(scores[start:stop], start, stop)[1], block)
        return self._mean(total, solution, penalty)

    @torch.no_grad()
    def hessian(self, scores: Tensor, penalty: float) -> tuple[Callable[[Tensor], Tensor], Tensor]:
        """Computes the function that multiplies by the Hessian where `scores` are, and the mean curvature of the loss.

        The curvature is float [1, 1] or [classes, 1] (`joined`). That of each sample is held: float [N, classes].
        """
        parts, level = [], torch.zeros_like(scores[0])
        for start, stop in self._rows():
            truth = self.labels[start:stop]
            curvature = CURVATURES[self.loss](scores[start:stop], truth)
            if self.class_weights is not None:
                curvature = curvature.weighted(self.class_weights[truth])
            level += curvature.diagonal().sum(dim=0)
            parts.append(curvature)

        @torch.no_grad()
        def times(direction: Tensor) -> Tensor:
            total = torch.zeros_like(direction)
            for curvature, (_, _, block) in zip(parts, self._parts(), strict=True):
                moves = scores_of(block, direction[:, :-1].to(block.dtype)) + direction[:, -1]
                self._add(total, curvature.times(moves), block)
            return self._mean(total, direction, penalty)

        level = self.joined(level[:, None] / len(self.labels))
        return times, level * (len(level) / scores.shape[1])

    def _losses(self, scores: Tensor, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Weighted losses [B, 1] or [B, classes] of rows `start` to `stop`, and their slopes [B, classes]."""
        truth = self.labels[start:stop]
        losses, slopes = LOSSES[self.loss](scores, truth)
        if self.class_weights is None:
            return losses, slopes
        weights = self.class_weights[truth, None]
        return losses * weights, slopes * weights

    @staticmethod
    def _add(total: Tensor, slopes: Tensor, block: Tensor) -> None:
        """Adds to a gradient what the slopes of a block of rows give."""
        total[:, :-1] += sums_of(slopes.to(block.dtype), block)
        total[:, -1] += slopes.sum(dim=0)

    def _mean(self, total: Tensor, solution: Tensor, penalty: float) -> Tensor:
        """Turns the sum of slopes into the slope of the objective at `solution`."""
        total /= len(self.labels)
        total[:, :-1] += penalty * solution[:, :-1]
        return total

    def _rows(self) -> Iterator[tuple[int, int]]:
        """Rows of each part that is multiplied at once: on a CPU `PART_VALUES` at most, elsewhere a block."""
        return bounds(self.features, PART_VALUES if self.labels.device.type == "cpu" else None)

    def _parts(self) -> Iterator[tuple[int, int, Tensor]]:
        """Reads the features of `_rows`: start, stop and float [stop - start, width]."""
        return ((start, stop, self.features.block(start, stop)) for start, stop in self._rows())
