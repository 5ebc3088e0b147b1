"""Deep CORAL: fine-tuning that aligns the covariances of features between domains."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from shared.strategies._alignment import (
    AlignmentBatch,
    AlignmentOptions,
    AlignmentSizes,
    DomainLoss,
    alignment_strategy,
)


class Options(AlignmentOptions):
    """The section `strategy` named `coral` (Deep CORAL).

    The command `options coral` describes every key.
    """

    name: Literal["coral"] = Field(
        "coral", description="fine-tuning that aligns the covariances of features between domains (Deep CORAL)"
    )
    weight: float = Field(
        100.0,
        gt=0,
        description="weight of the domain loss, above 0; it rises from 0 to this value during training. Distances of "
        "covariances are small numbers: 100 suits features, 1 suits layer: scores",
    )


class CoralLoss(DomainLoss):
    """Squared distance of each domain's covariance of the aligned features from that of the last domain, the target.

    Args:
        options: Options of Deep CORAL; not used.
        sizes: Not used.

    Source: Sun & Saenko, arXiv 1607.01719, equations 1 to 3; with weights of images in the place of counts.
    """

    def __init__(self, options: Options, sizes: AlignmentSizes) -> None:
        super().__init__()

    def forward(self, batch: AlignmentBatch) -> Tensor:
        """Computes `batch.lambda_` times the mean squared distance of covariances from the last domain's, a scalar.

        The mean is over the other domains with two images or more in the batch. The loss is 0 where there is none, or
        where the last domain has fewer than two images.
        """
        *others, last = batch.rows
        present = [other for other in others if len(other) > 1]
        if len(last) < 2 or not present:
            return batch.features.sum() * 0.0
        goal, width = _covariance(batch, last), batch.features.shape[1]
        distances = [((_covariance(batch, other) - goal) ** 2).sum() / (4 * width**2) for other in present]
        return batch.lambda_ * torch.stack(distances).mean()


def _covariance(batch: AlignmentBatch, chosen: Tensor) -> Tensor:
    """Computes the covariance [width, width] of the aligned features of chosen rows (int64 [n]), by their weights."""
    features, weights = batch.features.index_select(0, chosen), batch.weights.index_select(0, chosen)[:, None]
    weights = weights / weights.sum().clamp_min(1e-9)
    centred = features - (weights * features).sum(dim=0)
    return centred.T @ (weights * centred)


STRATEGY = alignment_strategy(Options, CoralLoss, (1.0, 100.0))
