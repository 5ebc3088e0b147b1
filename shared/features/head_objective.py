"""The penalised loss of a linear head on features: value, gradient, and products with the Hessian.

Features are read block by block. Not they but the weights are standardised, so that no copy of them is made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from shared.features.losses import CURVATURES, LOSSES, Loss
from shared.features.sources import FeatureSource, Standardiser, bounds


@dataclass(frozen=True)
class HeadObjective:
    """Mean loss + penalty / 2 * |W|^2 of a linear head on standardised features; the bias is not penalised.

    A solution is float [classes, width + 1]: weights for standardised features, and bias.

    Attributes:
        features: float [N, width], not standardised. In bfloat16 they are multiplied by rounded weights.
        labels: int64 [N].
        loss: "softmax" (cross-entropy) or "svm" (one against the rest, squared hinge).
        standardiser: Mean and scale of the features.
        class_weights: float [classes], weights of the classes, mean 1 over the samples; None: all alike.
    """

    features: FeatureSource
    labels: Tensor
    loss: Loss
    standardiser: Standardiser
    class_weights: Tensor | None

    def joined(self, values: Tensor) -> Tensor:
        """Adds up values of the classes, [classes, 1], to [1, 1]; but where the objective is a sum of one a class."""
        return values if self.loss == "svm" else values.sum(dim=0, keepdim=True)

    @torch.no_grad()
    def at(self, solution: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
        """Computes the value, float64 [1, 1] or [classes, 1] (`joined`), and the gradient in the form of `solution`."""
        norms = solution[:, :-1].square().sum(dim=1, keepdim=True, dtype=torch.float64)
        value = self.joined(0.5 * penalty * len(self.labels) * norms)
        weight_slope, bias_slope = torch.zeros_like(solution[:, :-1]), torch.zeros_like(solution[:, -1])
        for start, stop in bounds(self.features):
            block, truth = self.features.block(start, stop), self.labels[start:stop]
            losses, slopes = LOSSES[self.loss](self._scores(block, solution), truth)
            if self.class_weights is not None:
                sample_weights = self.class_weights[truth, None]
                losses, slopes = losses * sample_weights, slopes * sample_weights
            value = value + losses.sum(dim=0, dtype=torch.float64)[:, None]
            weight_slope += slopes.T.to(block.dtype) @ block
            bias_slope += slopes.sum(dim=0)
        return value / len(self.labels), self._slope(weight_slope, bias_slope, solution, penalty)

    @torch.no_grad()
    def hessian(self, solution: Tensor, penalty: float) -> tuple[Callable[[Tensor], Tensor], Tensor]:
        """Computes the function that multiplies by the Hessian at `solution`, and the mean curvature of the loss.

        The curvature is float [1, 1] or [classes, 1] (`joined`). That of each sample is held: float [N, classes].
        """
        parts, level = [], torch.zeros_like(solution[:, :1])
        for start, stop in bounds(self.features):
            block, truth = self.features.block(start, stop), self.labels[start:stop]
            curvature = CURVATURES[self.loss](self._scores(block, solution), truth)
            if self.class_weights is not None:
                curvature = curvature.weighted(self.class_weights[truth])
            level += curvature.diagonal().sum(dim=0)[:, None] / len(self.labels)
            parts.append((start, stop, curvature))

        @torch.no_grad()
        def times(direction: Tensor) -> Tensor:
            weight_slope, bias_slope = torch.zeros_like(direction[:, :-1]), torch.zeros_like(direction[:, -1])
            for start, stop, curvature in parts:
                block = self.features.block(start, stop)
                slopes = curvature.times(self._scores(block, direction))
                weight_slope += slopes.T.to(block.dtype) @ block
                bias_slope += slopes.sum(dim=0)
            return self._slope(weight_slope, bias_slope, direction, penalty)

        level = self.joined(level)
        return times, level * (len(level) / len(solution))

    def _scores(self, block: Tensor, solution: Tensor) -> Tensor:
        """Computes class scores, float [B, classes], of features [B, width]."""
        weight = (solution[:, :-1] / self.standardiser.scale).to(block.dtype)
        bias = solution[:, -1] - weight.to(solution.dtype) @ self.standardiser.mean
        # the faster order: half as fast again in float32, and a tenth in bfloat16
        scores = block @ weight.T if block.dtype == torch.bfloat16 else (weight @ block.T).T
        return scores.to(solution.dtype) + bias

    def _slope(self, weight_slope: Tensor, bias_slope: Tensor, solution: Tensor, penalty: float) -> Tensor:
        """Turns sums of slopes by plain weights into the mean slope by weights of standardised features."""
        mean, scale, count = self.standardiser.mean, self.standardiser.scale, len(self.labels)
        weight_slope = (weight_slope - bias_slope[:, None] * mean) / (scale * count) + penalty * solution[:, :-1]
        return torch.cat([weight_slope, bias_slope[:, None] / count], dim=1)
