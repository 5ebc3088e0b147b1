"""What training minimises: cross-entropy with weights for classes, focused on hard samples where that is wanted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the field's usual name


def class_weights(labels: NDArray[np.int64], costs: Sequence[float], *, balanced: bool) -> Tensor:
    """Weights of the classes in a loss, float32 [classes], with mean 1 over the samples.

    Args:
        labels: [N] of the training samples.
        costs: [classes] what a mistake on a sample of each class costs.
        balanced: Whether rare classes weigh as much as frequent ones before that.
    """
    weights = torch.tensor(costs, dtype=torch.float32)
    if balanced:
        weights = weights * balanced_weights(labels, len(costs))
    return weights / weights[torch.from_numpy(labels)].mean()


def weighted_loss(
    scores: Tensor, labels: Tensor, weights: Tensor, *, label_smoothing: float = 0.0, focal_gamma: float = 0.0
) -> Tensor:
    """Mean cross-entropy over a batch, each sample weighed by its class and by how far it is from being right.

    Args:
        scores: float32 [B, classes], before the softmax.
        labels: int64 [B].
        weights: float32 [classes], with mean 1 over the training samples.
        label_smoothing: Share of the label that goes to all classes alike.
        focal_gamma: Exponent of (1 - probability of the true class); 0: plain cross-entropy.

    Source: Lin et al., Focal Loss for Dense Object Detection, arXiv 1708.02002, equation 5, with softmax.
    """
    losses = F.cross_entropy(scores, labels, weight=weights, label_smoothing=label_smoothing, reduction="none")
    if focal_gamma:
        right = torch.softmax(scores, dim=1).gather(1, labels[:, None])[:, 0]
        losses = losses * (1.0 - right) ** focal_gamma
    # by the size of the batch, not by its own weight: that would undo, batch by batch, part of what the weights say
    return losses.mean()


def balanced_weights(labels: NDArray[np.int64], classes: int) -> Tensor:
    """Class weights [classes] inverse to frequency, with mean 1 over the samples; absent classes get 0."""
    counts = np.bincount(labels, minlength=classes).astype(np.float64)
    present = counts > 0
    weights = np.zeros(classes)
    weights[present] = len(labels) / (present.sum() * counts[present])
    return torch.tensor(weights, dtype=torch.float32)
