"""Deep CORAL: the aligned layer has the same second moments in both domains."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from shared.strategies._alignment import AlignmentBatch, AlignmentOptions, DomainLoss, Shape, aligner


class Options(AlignmentOptions):
    """Options of Deep CORAL."""

    name: Literal["coral"] = Field("coral", description="finetune, and covariances that shall agree between domains")


class CoralLoss(DomainLoss):
    """Squared distance of each domain's covariance of the aligned layer to that of the last domain, the target.

    Source: Sun & Saenko, arXiv 1607.01719, equations 1 to 3; with weights of images in the place of counts.
    """

    def __init__(self, options: Options, shape: Shape) -> None:
        super().__init__()
        self.domains = shape.domains

    def forward(self, seen: AlignmentBatch) -> Tensor:
        """Mean over the domains that this batch holds two images or more of."""
        last = seen.domains == self.domains - 1
        others = [seen.domains == number for number in range(self.domains - 1)]
        held = [other for other in others if int(other.sum()) > 1]
        if int(last.sum()) < 2 or not held:
            return seen.features.sum() * 0.0
        goal, width = _covariance(seen, last), seen.features.shape[1]
        distances = [((_covariance(seen, other) - goal) ** 2).sum() / (4 * width**2) for other in held]
        return seen.lambda_ * torch.stack(distances).mean()


def _covariance(seen: AlignmentBatch, chosen: Tensor) -> Tensor:
    """Covariance [width, width] of the aligned layer over the chosen images, by their weights."""
    features, weights = seen.features[chosen], seen.weights[chosen, None]
    weights = weights / weights.sum().clamp_min(1e-9)
    centred = features - (weights * features).sum(dim=0)
    return centred.T @ (weights * centred)


STRATEGY = aligner(Options, CoralLoss)
