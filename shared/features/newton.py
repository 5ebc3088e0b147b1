"""Newton's method for linear heads, with steps by preconditioned conjugate gradients.

Where the machine multiplies bfloat16 faster, Hessians and the first steps are in it. Gradients of all features in full
precision lead the last steps, and decide how long each is and when the search ends.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from shared.features.head_objective import PART_VALUES, HeadObjective
from shared.features.line_search import Line
from shared.features.losses import Loss
from shared.features.preconditioner import Preconditioner
from shared.features.sources import FeatureSource, InMemoryFeatures, StandardisedFeatures, Standardiser, bounds
from shared.processes.processor import multiplies_bf16

TOLERANCE = 3e-6
"""Share of the objective that the last step gained, below which the search ends. The objective is then within 1e-5 of
the minimum. Source: docs/lab-log.md, "The linear head: against scikit-learn, and on a million rows"."""
ROUGH = 1e-2
"""Tolerance of the first steps, by rounded products or by a part of the features."""
FEW_VALUES = 1 << 22
"""Most values of features that are multiplied in float64: a fit takes less than a second, and no rounding tells."""
HELD_VALUES = 1 << 28
"""Most values of features from which the Hessian is computed, held in memory: 512 MiB as bfloat16."""
MAX_STEPS, MAX_PRODUCTS = 300, 200
"""Most steps of Newton's method, and products with the Hessian in a step."""
REFRESH = 10
"""Steps after which class scores are computed anew: rounding adds up in them."""
FORCING, STRICT = 0.1, 0.01
"""A step is good enough once another product would add less than this share of its gain, by the mean of the last; or of
what ends the search. `STRICT` is for few features, and for the SVM, which has no second derivative at the margin: steps
that are not exact end far from its minimum."""
MIN_LEVEL = 1e-6
"""Smallest curvature of the loss, as a share of the penalty, by which the bias is divided: it may be 0."""
MIN_VALUE = 1e-7
"""Smallest value of the objective against which progress is measured; below it the objective is as good as 0."""


@dataclass(frozen=True)
class HeadSolver:
    """Minimises the penalised loss of a linear head on the same features at any number of L2 strengths.

    Attributes:
        exact: The objective on all features, in full precision.
        rough: The objective on features in memory: all or a part, rounded where that is faster; it gives the Hessian.
        kept: int64 [n], the rows of `exact` that are in `rough`; None: all.
        preconditioner: Axes of the features.

    Source: truncated Newton: Nash & Sofer, Oper Res Lett 9:219, 1990; in parts of the samples: Byrd et al., SIAM J
        Optim 21:977, 2011.
    """

    exact: HeadObjective
    rough: HeadObjective
    kept: Tensor | None
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
        count, width = features.shape
        if count * width <= FEW_VALUES:
            standardiser = Standardiser(standardiser.mean.double(), standardiser.scale.double())
        dtype, source = standardiser.mean.dtype, StandardisedFeatures(features, standardiser)
        if class_weights is not None:
            class_weights = class_weights.to(dtype)
        stride = -(-count * width // HELD_VALUES)
        kept = None if stride == 1 else labels.argsort(stable=True)[::stride].sort().values  # of each class its share
        held = _held(source, kept, _fast_type(standardiser.mean, loss))
        rough = HeadObjective(InMemoryFeatures(held), labels if kept is None else labels[kept], loss, class_weights)
        is_exact = kept is None and held.dtype == dtype
        exact = rough if is_exact else HeadObjective(source, labels, loss, class_weights)
        return cls(exact, rough, kept, Preconditioner.of(held, dtype))

    def minimise(self, start: Tensor, penalty: float, *, tolerance: float = TOLERANCE) -> tuple[Tensor, float]:
        """Minimises mean loss + penalty / 2 * |W|^2 on standardised features; the bias is not penalised.

        Args:
            start: float [classes, width + 1], weights for standardised features and bias, from which the search starts.
            penalty: L2 strength, above 0.
            tolerance: The search ends when a step lowers the objective by less than this share of it.

        Returns:
            The solution in the form of `start`, and the value of the objective there.
        """
        point = start.to(self.preconditioner.axes.dtype)
        if self.rough is not self.exact:
            point, _ = self._descend(self.rough, point, penalty, max(ROUGH, tolerance))
        point, value = self._descend(self.exact, point, penalty, tolerance)
        return point.to(start.dtype), value

    def _descend(
        self, objective: HeadObjective, point: Tensor, penalty: float, tolerance: float
    ) -> tuple[Tensor, float]:
        """Takes steps down an objective until one gains, and promises, less than `tolerance` of it."""
        scores = objective.scores(point) if point.any() else point.new_zeros(len(objective.labels), len(point))
        model, last, least, value = self.rough, 0.0, 0.0, torch.zeros(1)
        for number in range(1, MAX_STEPS + 1):
            slope = objective.slope(scores, point, penalty)
            seen = scores if model is objective or self.kept is None else scores[self.kept]
            step, promised = self._step(model, seen, slope, penalty, least)
            moves = objective.scores(step)
            length, value, before = Line.of(objective, point, scores, step, moves, penalty).search()
            factor = length.to(step.dtype)
            point, scores = point + factor * step, scores + factor.T * moves
            if number % REFRESH == 0:
                scores = objective.scores(point)
            gain, hope = float((before - value).sum()), float(promised.sum())
            least = tolerance * max(float(value.sum()), MIN_VALUE)
            is_stuck = gain <= 0.0 and model is objective  # rounding hides what is left
            if is_stuck or max(gain, hope) <= least:
                break
            if objective is self.exact and (gain <= 0.0 or 0.0 < last < 2 * gain):
                model = self.exact  # the rough one leads nowhere, or slowly
            last = gain
        return point, float(value.sum())

    def _step(
        self, model: HeadObjective, scores: Tensor, slope: Tensor, penalty: float, least: float
    ) -> tuple[Tensor, Tensor]:
        """Solves for Newton's step, as exactly as it pays; returns it and the gains that the quadratic model promises.

        These, and all lengths on the way, are float [1, 1], or [classes, 1] where the classes are not coupled.
        """
        times, level = model.hessian(scores, penalty)
        level, tiny = level.clamp_min(MIN_LEVEL * penalty), torch.finfo(slope.dtype).tiny
        is_fallen_back = model is self.exact and self.rough is not self.exact
        is_strict = is_fallen_back or self.exact.loss == "svm" or slope.dtype == torch.float64
        forcing, floor = (STRICT, 0.0) if is_strict else (FORCING, least)
        step, residual = torch.zeros_like(slope), -slope
        solved = direction = self.preconditioner.solve(residual, level, penalty)
        energy = self._dot(residual, solved)
        promised = torch.zeros_like(energy)
        for product in range(1, MAX_PRODUCTS + 1):
            bent = times(direction)
            square, weights = (self._dot(one, one) for one in (direction, direction[:, :-1]))
            lowest = penalty * (weights + MIN_LEVEL * square)  # least curvature, which rounding may hide
            length = energy / torch.maximum(self._dot(direction, bent), lowest).clamp_min(tiny)
            step, residual = step + length * direction, residual - length * bent
            gain = length * energy / 2
            promised += gain
            if product * float(gain.sum()) <= forcing * max(float(promised.sum()), floor):
                break
            solved = self.preconditioner.solve(residual, level, penalty)
            before, energy = energy, self._dot(residual, solved)
            direction = solved + energy / before.clamp_min(tiny) * direction
        return step, promised

    def _dot(self, first: Tensor, second: Tensor) -> Tensor:
        """Inner products, float [1, 1] or [classes, 1], of two tensors in the form of a solution."""
        return self.exact.joined((first * second).sum(dim=1, keepdim=True)).clamp_min(0.0)


def _fast_type(mean: Tensor, loss: Loss) -> torch.dtype:
    """The type in which features are multiplied fastest, precise enough for a Hessian."""
    is_fast = mean.is_cuda or (mean.device.type == "cpu" and multiplies_bf16())
    return torch.bfloat16 if is_fast and mean.dtype == torch.float32 and loss == "softmax" else mean.dtype


def _held(source: StandardisedFeatures, kept: Tensor | None, dtype: torch.dtype) -> Tensor:
    """Reads features into memory: the rows `kept`, rising, or all."""
    count, width = source.shape
    device = source.standardiser.mean.device
    rows = torch.empty(count if kept is None else len(kept), width, device=device, dtype=dtype)
    filled = 0
    for start, stop in bounds(source, PART_VALUES):
        block = source.block(start, stop)
        if kept is not None:
            first, last = (int(torch.searchsorted(kept, end)) for end in (start, stop))
            block = block[kept[first:last] - start]
        rows[filled : filled + len(block)] = block
        filled += len(block)
    return rows
