"""CDAN: domain-adversarial training whose domain classifier sees features and class probabilities together."""

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
from shared.strategies._domain_classifier import DomainClassifier
from shared.training.gradient_reversal import reversed_gradient

MAX_PRODUCT = 4096
"""Largest width of the product of features and probabilities; wider ones are replaced by a random projection.

Source: Long et al., arXiv 1705.10667, section 3.2.
"""
PROJECTED = 1024
"""Width of the random projection."""


class Options(AlignmentOptions):
    """The section `strategy` named `cdan` (CDAN).

    The command `options cdan` describes every key.
    """

    name: Literal["cdan"] = Field(
        "cdan", description="domain-adversarial training on features and class probabilities together (CDAN)"
    )
    hidden: int = Field(
        100, ge=1, description="width of each of the two hidden layers of the domain classifier (1 or more)"
    )
    entropy: bool = Field(
        True,
        description="entropy conditioning (CDAN+E): images with confident predictions count more in the domain loss",
    )


class CdanLoss(DomainLoss):
    """The loss of a domain classifier on the product of aligned features and class probabilities.

    Args:
        options: Options of CDAN.
        sizes: Width of the features, number of classes and number of domains.

    Source: Long et al., arXiv 1705.10667, equations 3 to 7.
    """

    feature_projection: Tensor
    class_projection: Tensor

    def __init__(self, options: Options, sizes: AlignmentSizes) -> None:
        super().__init__()
        self.entropy = options.entropy
        self.projected = sizes.width * sizes.classes > MAX_PRODUCT
        if self.projected:
            self.register_buffer("feature_projection", torch.randn(sizes.width, PROJECTED))
            self.register_buffer("class_projection", torch.randn(sizes.classes, PROJECTED))
        width = PROJECTED if self.projected else sizes.width * sizes.classes
        self.classifier = DomainClassifier(width, options.hidden, sizes.domains)

    def forward(self, batch: AlignmentBatch) -> Tensor:
        """Computes the weighted cross-entropy of the domains of a batch, a scalar.

        In the product the class probabilities count as constants, as in the authors' code; the features get its
        gradient reversed and scaled by `batch.lambda_`. So do the scores by way of the entropies: what confuses the
        domain classifier becomes more certain.
        """
        predicted = torch.softmax(batch.scores, dim=1)
        probabilities = predicted.detach()
        if self.projected:
            projected = (batch.features @ self.feature_projection) * (probabilities @ self.class_projection)
            joint = projected / PROJECTED**0.5
        else:
            joint = (probabilities[:, :, None] * batch.features[:, None, :]).flatten(1)
        weights = batch.weights
        if self.entropy:
            entropies = -(predicted * predicted.clamp_min(1e-6).log()).sum(dim=1)
            certainties = 1.0 + torch.exp(-reversed_gradient(entropies, batch.lambda_))
            weights = weights * _mean_one(certainties, batch)
        loss: Tensor = self.classifier(joint, batch, weights)
        return loss

    def metrics(self) -> dict[str, float]:
        """Returns how often the domain classifier was right since the last call, and starts counting anew.

        Returns:
            `domain_accuracy`, 0..1; empty where no image was classified since.
        """
        return self.classifier.metrics()


def _mean_one(weights: Tensor, batch: AlignmentBatch) -> Tensor:
    """Divides weights [M] by their mean in each domain, so that no domain counts more for being more confident.

    The means are constants, as in the authors' code.
    """
    sums = torch.zeros(len(batch.rows), device=weights.device).index_add_(0, batch.domains, weights.detach())
    counts = torch.tensor([max(1, len(rows)) for rows in batch.rows]).to(weights.device, non_blocking=True)
    return weights / (sums / counts)[batch.domains]


STRATEGY = alignment_strategy(Options, CdanLoss, (0.3, 1.0))
