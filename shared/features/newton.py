"""Newton's method for linear heads, with steps by preconditioned conjugate gradients.

Where the machine multiplies bfloat16 faster, Hessians and the first steps are in it; the last steps are led by
gradients of all features in full precision.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from shared.features.head_objective import HeadObjective
from shared.features.losses import Loss
from shared.features.preconditioner import Preconditioner
from shared.features.sources import FeatureSource, InMemoryFeatures, Standardiser, bounds
from shared.processes.processor import multiplies_bf16

TOLERANCE = 3e-6
"""Share of the objective that the next step would gain, below which the search ends. The objective is then within 2e-5
of the minimum. Source: docs/lab-log.md, "The linear head: against scikit-learn, and on a million rows"."""
ROUGH = 1e-2
"""Tolerance of the first steps, by rounded products or by a part of the features."""
CURVATURE_VALUES = 1 << 28
"""Most values of features from which the Hessian is computed, held in memory: 512 MiB as bfloat16."""
MAX_STEPS, MAX_PRODUCTS, MAX_HALVINGS = 50, 100, 10
"""Most steps of Newton's method, products with the Hessian in a step, and trials of its length."""
FORCING = 0.3
"""A step is good enough once another product would add less than this share of its gain, by the mean of the last."""
SUFFICIENT, AGREEMENT = 1e-4, 0.8
"""Shares of the gain that the quadratic model promises: that a step must keep, and from which the model is trusted."""
MIN_VALUE = 1e-3
"""Smallest value of the objective against which progress is measured; below it the objective is as good as 0."""


@dataclass(frozen=True)
class HeadSolver:
    """Minimises the penalised loss of a linear head on the same features at any number of L2 strengths.

    Attributes:
        exact: The objective on all features, in full precision.
        rough: The objective on features in memory: all or a part, rounded where that is faster; it gives the Hessian.
        preconditioner: Axes of the features.

    Source: truncated Newton: Nash & Sofer, Oper Res Lett 9:219, 1990; in parts of the samples: Byrd et al., SIAM J
        Optim 21:977, 2011.
    """

    exact: HeadObjective
    rough: HeadObjective
    preconditioner: Preconditioner

    @classmethod
    def of(
        cls,
        features: FeatureSource,
        labels: Tensor,
        loss: Loss,
        *,
        standardiser: Standardiser,
        class_weights: Tensor | None = None,
    ) -> HeadSolver:
        """Prepares fits to features.

        Args:
            features: float [N, width], not standardised.
            labels: int64 [N].
            loss: "softmax" (cross-entropy) or "svm" (one against the rest, squared hinge).
            standardiser: Mean and scale of the features.
            class_weights: float [classes], weights of the classes, mean 1 over the samples; None: all alike.
        """
        exact = HeadObjective(features, labels, loss, standardiser, class_weights)
        rough = _in_memory(exact)
        return cls(exact, rough, Preconditioner.of(rough.features.block(0, len(rough.labels)), rough.standardiser))

    def minimise(self, start: Tensor, penalty: float, *, tolerance: float = TOLERANCE) -> tuple[Tensor, float]:
        """Minimises mean loss + penalty / 2 * |W|^2 on standardised features; the bias is not penalised.

        Args:
            start: float [classes, width + 1], weights for standardised features and bias, from which the search starts.
            penalty: L2 strength, above 0.
            tolerance: The search ends when the next step would lower the objective by less than this share of it.

        Returns:
            The solution in the form of `start`, and the value of the objective there.
        """
        if self.rough is not self.exact:
            start, _ = self._descend(self.rough, start, penalty, max(ROUGH, tolerance))
        return self._descend(self.exact, start, penalty, tolerance)

    def _descend(
        self, objective: HeadObjective, point: Tensor, penalty: float, tolerance: float
    ) -> tuple[Tensor, float]:
        """Takes steps down an objective until the next would gain less than `tolerance` of it."""
        value, slope = objective.at(point, penalty)
        last = 0.0
        for _ in range(MAX_STEPS):
            least = tolerance * max(float(value.sum()), MIN_VALUE)
            step, promised = self._step(point, slope, penalty, least)
            length, negligible = torch.ones_like(promised), least / (10 * len(promised))
            for _ in range(MAX_HALVINGS):
                new_value, new_slope = objective.at(point + length * step, penalty)
                gains = value - new_value
                is_enough = (gains >= SUFFICIENT * length * promised) | (length * promised <= negligible)
                if is_enough.all():
                    break
                length = torch.where(is_enough, length, length / 2)
            is_lower = gains > 0.0
            point = torch.where(is_lower, point + length * step, point)
            value, slope = torch.where(is_lower, new_value, value), torch.where(is_lower, new_slope, slope)
            gain, hope = float(gains.clamp_min(0.0).sum()), float(promised.sum())
            ratio = gain / last if last else 1.0
            is_near = gain >= AGREEMENT * hope and ratio < 0.5 and gain * ratio / (1 - ratio) <= least
            if is_near or max(gain, hope) <= least / 10 or gain == 0.0:  # rounding may hide what is left
                break
            last = gain
        return point, float(value.sum())

    def _step(self, point: Tensor, slope: Tensor, penalty: float, least: float) -> tuple[Tensor, Tensor]:
        """Solves for Newton's step, as exactly as it pays; returns it and the gains that the quadratic model promises.

        These, and all lengths on the way, are float [1, 1], or [classes, 1] where the classes are not coupled.
        """
        times, level = self.rough.hessian(point, penalty)
        tiny = torch.finfo(slope.dtype).tiny
        level = level.clamp_min(tiny)
        step, residual = torch.zeros_like(slope), -slope
        solved = direction = self.preconditioner.solve(residual, level, penalty)
        energy = self._dot(residual, solved)
        promised = torch.zeros_like(energy)
        for product in range(1, MAX_PRODUCTS + 1):
            bent = times(direction)
            length = energy / self._dot(direction, bent).clamp_min(tiny)
            step, residual = step + length * direction, residual - length * bent
            gain = length * energy / 2
            promised += gain
            if product * float(gain.sum()) <= FORCING * max(float(promised.sum()), least):
                break
            solved = self.preconditioner.solve(residual, level, penalty)
            before, energy = energy, self._dot(residual, solved)
            direction = solved + energy / before.clamp_min(tiny) * direction
        return step, promised

    def _dot(self, first: Tensor, second: Tensor) -> Tensor:
        """Inner products, float [1, 1] or [classes, 1], of two tensors in the form of a solution."""
        return self.exact.joined((first * second).sum(dim=1, keepdim=True)).clamp_min(0.0)


def _in_memory(exact: HeadObjective) -> HeadObjective:
    """Holds features in memory for the Hessian: centred and rounded to bfloat16 where that is faster, evenly spread.

    The SVM is not rounded: which samples miss the margin, and so count at all, would be told wrongly.
    """
    features, standardiser = exact.features, exact.standardiser
    count, width = features.shape
    mean = standardiser.mean
    is_fast = mean.is_cuda or (mean.device.type == "cpu" and multiplies_bf16())
    is_rounded = is_fast and exact.loss == "softmax" and mean.dtype == torch.float32
    stride = -(-count * width // CURVATURE_VALUES)
    if stride == 1 and isinstance(features, InMemoryFeatures) and not is_rounded:
        return exact
    kept = torch.arange(0, count, stride, device=mean.device)
    rows = torch.empty(len(kept), width, device=mean.device, dtype=torch.bfloat16 if is_rounded else mean.dtype)
    filled = 0
    for start, stop in bounds(features):
        block = features.block(start, stop)[-start % stride :: stride]
        torch.sub(block, mean, out=rows[filled : filled + len(block)])
        filled += len(block)
    centred = Standardiser(torch.zeros_like(mean), standardiser.scale)
    return HeadObjective(InMemoryFeatures(rows), exact.labels[kept], exact.loss, centred, exact.class_weights)
