"""CdanLoss adversarial training: the classifier of domains sees the code together with what it was taken for."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from shared.strategies._alignment import AlignmentBatch, AlignmentOptions, DomainLoss, Shape, aligner
from shared.strategies._domain_classifier import DomainClassifier

LARGEST = 4096
"""Width of the product from which random projections stand for it.

Source: Long et al., arXiv 1705.10667, section 3.2.
"""
PROJECTED = 1024


class Options(AlignmentOptions):
    """Options of CDAN."""

    name: Literal["cdan"] = Field("cdan", description="dann, with the class probabilities beside the code")
    hidden: int = Field(100, ge=1, description="width of the two hidden layers of the classifier of domains")
    entropy: bool = Field(True, description="whether sure answers count more between domains (CDAN+E)")


class CdanLoss(DomainLoss):
    """The loss of a domain classifier on the product of aligned layer and class probabilities.

    Source: Long et al., arXiv 1705.10667, equations 3 to 7.
    """

    of_feature: Tensor
    of_classes: Tensor

    def __init__(self, options: Options, shape: Shape) -> None:
        super().__init__()
        self.entropy = options.entropy
        self.projected = shape.width * shape.classes > LARGEST
        if self.projected:
            self.register_buffer("of_feature", torch.randn(shape.width, PROJECTED))
            self.register_buffer("of_classes", torch.randn(shape.classes, PROJECTED))
        width = PROJECTED if self.projected else shape.width * shape.classes
        self.classifier = DomainClassifier(width, options.hidden, shape.domains)

    def forward(self, seen: AlignmentBatch) -> Tensor:
        """Cross-entropy over domains; the probabilities themselves get no gradient from it."""
        probabilities = torch.softmax(seen.scores, dim=1).detach()
        if self.projected:
            joint = (seen.features @ self.of_feature) * (probabilities @ self.of_classes) / PROJECTED**0.5
        else:
            joint = (probabilities[:, :, None] * seen.features[:, None, :]).flatten(1)
        weights = seen.weights
        if self.entropy:
            entropies = -(probabilities * probabilities.clamp_min(1e-6).log()).sum(dim=1)
            weights = weights * _mean_one(1.0 + torch.exp(-entropies), seen.domains)
        loss: Tensor = self.classifier(joint, seen, weights)
        return loss

    def metrics(self) -> dict[str, float]:
        """How often the classifier was right."""
        return self.classifier.metrics()


def _mean_one(weights: Tensor, domains: Tensor) -> Tensor:
    """Weights [M] divided by their mean in each domain, so that none gains by being surer."""
    counts = torch.bincount(domains).clamp_min(1)
    means = torch.bincount(domains, weights) / counts
    return weights / means[domains]


STRATEGY = aligner(Options, CdanLoss)
