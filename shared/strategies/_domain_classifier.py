"""A classifier of domains behind a layer that reverses gradients: what DANN and CDAN share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's usual name

from shared.strategies._alignment import AlignmentBatch


class DomainClassifier(nn.Module):
    """Two hidden layers from features to domains; towards the features its gradient is reversed.

    Args:
        width: Of the features.
        hidden: Of its hidden layers.
        domains: How many there are.
    """

    hits: Tensor

    def __init__(self, width: int, hidden: int, domains: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, domains)
        )
        # kept in checkpoints, so that a training that was interrupted tells the same
        self.register_buffer("hits", torch.zeros(2))

    def forward(self, features: Tensor, seen: AlignmentBatch, weights: Tensor | None = None) -> Tensor:
        """Mean cross-entropy of the domains of features [M, width], each image by its weight.

        Args:
            features: What is told apart.
            seen: Whose features they are; its strength multiplies the gradient that goes back into them.
            weights: float32 [M] in place of those of `seen`.
        """
        scores = self.layers(reversed_gradient(features, seen.lambda_))
        losses = F.cross_entropy(scores, seen.domains, reduction="none")
        with torch.no_grad():
            self.hits[0] += (scores.argmax(1) == seen.domains).sum()
            self.hits[1] += len(losses)
        return (losses * (seen.weights if weights is None else weights)).mean()

    def metrics(self) -> dict[str, float]:
        """Its accuracy in training since the last call, while it learned."""
        right, total = self.hits.tolist()
        self.hits.zero_()
        return {"domain_accuracy": right / total} if total else {}


def reversed_gradient(features: Tensor, strength: float) -> Tensor:
    """The features themselves, through which gradients go back multiplied by minus `strength`.

    Source: Ganin et al., JMLR 17(59), 2016, equations 16 and 17.
    """
    reversed_: Tensor = _Reversal.apply(features, strength)
    return reversed_


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, features: Tensor, strength: float) -> Tensor:
        context.strength = strength
        return features.view_as(features)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return -context.strength * gradient, None
