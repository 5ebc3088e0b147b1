"""Losses of a linear head by its class scores: values, slopes and curvature.

Where a class is all but certain, float32 cannot hold its share less 1; slopes and curvature come from the other shares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the field's usual name

Loss = Literal["softmax", "svm"]


@dataclass(frozen=True)
class Curvature:
    """Second derivative of the loss of each sample by its scores: diag(a), less a p^T where classes are coupled.

    Attributes:
        factors: float [B, classes], a; not negative.
        shares: float [B, classes], p, which adds up to 1; None: the classes are not coupled.
        truth: int64 [B], true classes.
    """

    factors: Tensor
    shares: Tensor | None
    truth: Tensor

    def weighted(self, weights: Tensor) -> Curvature:
        """Multiplies the loss of each sample by its weight, float [B]."""
        return Curvature(self.factors * weights[:, None], self.shares, self.truth)

    def times(self, moves: Tensor) -> Tensor:
        """Computes the change of the slopes, float [B, classes], where the scores change by `moves` [B, classes]."""
        if self.shares is None:
            return self.factors * moves
        # what moves all scores alike changes nothing, and the large share of the true class then counts nothing
        moved = self.factors * (moves - moves.gather(1, self.truth[:, None]))
        return moved.addcmul_(self.shares, moved.sum(dim=1, keepdim=True), value=-1)

    def diagonal(self) -> Tensor:
        """Computes the second derivative of each sample by each score alone, float [B, classes]."""
        return self.factors if self.shares is None else self.factors * (1 - self.shares)


def _softmax(scores: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Computes the cross-entropy [B, 1], and its derivative [B, classes] by the scores."""
    logs, place = F.log_softmax(scores, dim=1), truth[:, None]
    own = logs.gather(1, place)
    slopes = logs.exp_().scatter_(1, place, 0.0)
    rest = slopes.sum(dim=1, keepdim=True)
    slopes.scatter_(1, place, -rest)
    losses = torch.where(rest < 0.5, -torch.log1p(-rest), -own)
    return losses, slopes


def _squared_hinge(scores: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Computes the squared hinge of each class against the rest, and its derivative, [B, classes] both."""
    signs = _signs(scores, truth)
    shortfall = F.relu(1.0 - signs * scores)
    return shortfall.square(), -2.0 * signs * shortfall


def _softmax_curvature(scores: Tensor, truth: Tensor) -> Curvature:
    """Computes the curvature of the cross-entropy."""
    shares = F.softmax(scores, dim=1)
    return Curvature(shares, shares, truth)


def _squared_hinge_curvature(scores: Tensor, truth: Tensor) -> Curvature:
    """Computes the curvature of the squared hinge: 2 where the margin is not kept, else 0."""
    return Curvature(2.0 * (_signs(scores, truth) * scores < 1.0).to(scores.dtype), None, truth)


def _signs(scores: Tensor, truth: Tensor) -> Tensor:
    """Makes the targets of one class against the rest, shaped as `scores`: 1 for the true class, -1 for others."""
    return torch.full_like(scores, -1.0).scatter_(1, truth[:, None], 1.0)


LOSSES = {"softmax": _softmax, "svm": _squared_hinge}
CURVATURES = {"softmax": _softmax_curvature, "svm": _squared_hinge_curvature}
