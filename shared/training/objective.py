"""What training minimises: weighted cross-entropy, and the objective that a strategy may replace."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's usual name

from shared.data.split import Split
from shared.models.network import Network


@dataclass(frozen=True)
class Batch:
    """What one step of training sees.

    Attributes:
        images: float32 [M, channels, size, size]; the labelled ones first, then those of `Objective.unlabelled`.
        labels: int64 [B], B <= M, of the labelled ones.
        places: int64 [M], the place of each image in its split.
        progress: Share of all steps of all phases that have been taken, 0..1.
    """

    images: Tensor
    labels: Tensor
    places: Tensor
    progress: float


class Objective(nn.Module):
    """Network and batch to the loss of one step; parameters of its own learn at the rate of the head.

    Attributes:
        unlabelled: Images of which every batch holds as many as labelled ones; their labels are never read. None: none.
    """

    unlabelled: Split | None = None

    def forward(self, network: Network, batch: Batch) -> Tensor:
        """The loss, a scalar, under autocast where precision is reduced; the network has not seen the batch yet."""
        raise NotImplementedError

    def logits(self, network: Network, features: Tensor) -> Tensor:
        """The scores, of features [N, width], by which validation chooses a checkpoint: those of the classes."""
        scores: Tensor = network.head(features)
        return scores

    def labels(self, validation: Split) -> NDArray[np.int64]:
        """What those scores should say, int64 [N]; -1 where it is not known."""
        return validation.labels

    def metrics(self) -> dict[str, float]:
        """What was measured since the last call, for the history."""
        return {}

    def evaluation_statistics(self, network: Network, split: Split) -> AbstractContextManager[None]:
        """Within it the network stands as it shall judge a split; as it is, where nothing depends on the split."""
        return nullcontext()


class ClassLoss(Objective):
    """Cross-entropy of the class scores: plain supervised training.

    Args:
        weights: float32 [classes], with mean 1 over the training samples.
        label_smoothing: As in `weighted_loss`.
        focal_gamma: The same.
    """

    weights: Tensor

    def __init__(self, weights: Tensor, *, label_smoothing: float = 0.0, focal_gamma: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("weights", weights, persistent=False)
        self.label_smoothing, self.focal_gamma = label_smoothing, focal_gamma

    def forward(self, network: Network, batch: Batch) -> Tensor:
        """Mean over the labelled images."""
        return self.of(network(batch.images[: len(batch.labels)]), batch.labels)

    def of(self, scores: Tensor, labels: Tensor) -> Tensor:
        """That of class scores [B, classes] that are known already."""
        return weighted_loss(
            scores.float(),
            labels,
            self.weights,
            label_smoothing=self.label_smoothing,
            focal_gamma=self.focal_gamma,
        )


class LossModule(nn.Module):
    """Network and objective as one module whose output is the loss: what is trained, also over several processes."""

    def __init__(self, network: Network, objective: Objective) -> None:
        super().__init__()
        self.network, self.objective = network, objective

    def forward(self, batch: Batch) -> Tensor:
        """The loss of one step."""
        loss: Tensor = self.objective(self.network, batch)
        return loss


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
