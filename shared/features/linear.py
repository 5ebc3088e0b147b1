"""Linear heads on features: softmax regression and the linear SVM, fitted along a regularisation path."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from shared.features.losses import Loss
from shared.features.newton import HeadSolver
from shared.features.sources import FeatureSource, Standardiser

PENALTIES = tuple(10.0**exponent for exponent in range(1, -7, -1))
"""L2 strengths that are tried, strong to weak, so that each solution starts the next."""
HALF_STEP = 10.0**0.5
"""Factor from the best strength to the two strengths next to it that are tried last."""


@dataclass(frozen=True)
class LinearHead:
    """A fitted linear map from features to class scores.

    Attributes:
        weight: float32 [classes, width], for features that are not standardised (the scale is folded in).
        bias: float32 [classes].
        penalty: L2 strength of the fit.
        objective: Penalised mean training loss at the end of the fit.
    """

    weight: Tensor
    bias: Tensor
    penalty: float
    objective: float

    def scores(self, features: Tensor) -> Tensor:
        """Computes class scores, float [N, classes], of features [N, width]."""
        return features @ self.weight.T + self.bias


def regularisation_path(
    features: FeatureSource,
    labels: Tensor,
    classes: int,
    *,
    loss: Loss,
    score: Callable[[LinearHead], float],
    class_weights: Tensor | None = None,
    penalties: Sequence[float] = PENALTIES,
    patience: int = 2,
) -> tuple[LinearHead, list[dict[str, Any]]]:
    """Fits heads along a path of falling L2 strength, each started where those before it lead, and returns the best.

    Last, the two strengths half a step above and below the best one are tried.

    Args:
        features: float32 [N, width], in memory (`InMemoryFeatures`) or on disk.
        labels: int64 [N].
        classes: Number of classes.
        loss: "softmax" (cross-entropy) or "svm" (one against the rest, squared hinge).
        score: Scores a head on data it was not fitted to; higher is better.
        class_weights: float32 [classes], weights of the classes, mean 1 over the samples; None: all alike.
        penalties: L2 strengths, strong to weak, none twice; at least one.
        patience: Number of strengths without a better score after which the path ends, at least 1.

    Returns:
        The head, and a row for each strength: `penalty`, `train_objective`, `validation_score`.

    Raises:
        ValueError: `penalties` is empty.

    Source: regularisation paths with warm starts: Friedman, Hastie & Tibshirani, J Stat Softw 33(1), 2010.
    """
    if not penalties:
        raise ValueError("penalties is empty; at least one L2 strength is needed")
    standardiser = Standardiser.of(features)
    mean = standardiser.mean
    zeros = torch.zeros(classes, features.shape[1] + 1, device=mean.device, dtype=mean.dtype)
    solver = HeadSolver.of(features, labels, loss, standardiser=standardiser, class_weights=class_weights)

    def fit(penalty: float, starts: Sequence[Tensor]) -> Candidate:
        solution, objective = solver.minimise(starts[0], penalty)
        head = _unstandardised(solution, standardiser, penalty, objective)
        return Candidate(penalty, score(head), objective, (solution,))

    best, rows = walk(fit, (zeros,), penalties, patience)
    return _unstandardised(best.solutions[0], standardiser, best.penalty, best.objective), rows


@dataclass(frozen=True)
class Candidate:
    """What was fitted at one L2 strength.

    Attributes:
        penalty: L2 strength.
        score: Score on data that it was not fitted to; higher is better.
        objective: Penalised mean training loss, the mean over several fits.
        solutions: The fits, float [classes, width + 1] each, from which the next ones start.
    """

    penalty: float
    score: float
    objective: float
    solutions: tuple[Tensor, ...]


def walk(
    fit: Callable[[float, Sequence[Tensor]], Candidate],
    starts: Sequence[Tensor],
    penalties: Sequence[float],
    patience: int,
) -> tuple[Candidate, list[dict[str, Any]]]:
    """Walks along a path of falling L2 strength, then tries the strengths half a step from the best.

    Args:
        fit: Fits at an L2 strength, starting from solutions near it.
        starts: Where the first fits start, float [classes, width + 1] each.
        penalties: L2 strengths, strong to weak, none twice; at least one. One alone is fitted as it is.
        patience: Number of strengths without a better score after which the path ends, at least 1.

    Returns:
        The candidate with the highest score, and a row for each: `penalty`, `train_objective`, `validation_score`.
    """
    candidates: list[Candidate] = []
    for penalty in penalties:
        candidates.append(fit(penalty, _foreseen(candidates, penalty) or starts))
        best = max(range(len(candidates)), key=lambda i: candidates[i].score)
        if len(candidates) - 1 - best == patience:
            break
    top = candidates[best]
    if len(penalties) > 1:
        between = (top.penalty * HALF_STEP, top.penalty / HALF_STEP)
        candidates += [fit(penalty, _foreseen(candidates, penalty)) for penalty in between]
    rows = [
        {"penalty": one.penalty, "train_objective": one.objective, "validation_score": one.score} for one in candidates
    ]
    return max(candidates, key=lambda one: one.score), rows


def _foreseen(candidates: Sequence[Candidate], penalty: float) -> Sequence[Tensor]:
    """Foresees the solutions at an L2 strength: on the line through those of the two nearest, over its logarithm."""
    near = sorted(candidates, key=lambda one: abs(math.log(one.penalty / penalty)))[:2]
    if len(near) < 2:
        return [solution for one in near for solution in one.solutions]
    share = math.log(penalty / near[0].penalty) / math.log(near[1].penalty / near[0].penalty)
    return [torch.lerp(*pair, share) for pair in zip(near[0].solutions, near[1].solutions, strict=True)]


def _unstandardised(solution: Tensor, standardiser: Standardiser, penalty: float, objective: float) -> LinearHead:
    """Turns weights for standardised features into a head for features that are not standardised."""
    weight = solution[:, :-1] / standardiser.scale
    return LinearHead(weight, solution[:, -1] - weight @ standardiser.mean, penalty, objective)
