"""The domain classifier behind a gradient reversal layer, which DANN and CDAN share."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's usual name

from shared.strategies._alignment import AlignmentBatch
from shared.training.gradient_reversal import reversed_gradient


class DomainClassifier(nn.Module):
    """Classifies the domain of features by two hidden layers; the gradient into the features is reversed.

    Args:
        width: Width of the features.
        hidden: Width of each hidden layer.
        domains: Number of domains.
    """

    hits: Tensor

    def __init__(self, width: int, hidden: int, domains: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, domains)
        )
        # right answers and all; a buffer, so that a resumed training reports the same accuracy
        self.register_buffer("hits", torch.zeros(2))

    def forward(self, features: Tensor, batch: AlignmentBatch, weights: Tensor | None = None) -> Tensor:
        """Computes the weighted mean cross-entropy of the domains, a scalar.

        Args:
            features: float32 [M, width], input of the classifier; its gradient is multiplied by minus `batch.lambda_`.
            batch: The images whose features these are; it gives their domains and weights.
            weights: float32 [M], weights of the images in place of those of `batch`.
        """
        scores = self.layers(reversed_gradient(features, batch.lambda_))
        losses = F.cross_entropy(scores, batch.domains, reduction="none")
        with torch.no_grad():
            self.hits[0] += (scores.argmax(1) == batch.domains).sum()
            self.hits[1] += len(losses)
        return (losses * (batch.weights if weights is None else weights)).mean()

    def metrics(self) -> dict[str, float]:
        """Returns how often the classifier was right in training since the last call, and starts counting anew.

        Returns:
            `domain_accuracy`, 0..1; empty where no image was classified since.
        """
        right, total = self.hits.tolist()
        self.hits.zero_()
        return {"domain_accuracy": right / total} if total else {}
