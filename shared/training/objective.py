"""Objectives: the loss that training minimises, by default weighted cross-entropy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    """The images of one step of training: B labelled ones, then M - B unlabelled ones.

    Attributes:
        images: float32 [M, channels, size, size]; the labelled images first, then those of `Objective.unlabelled`.
        labels: int64 [B], B <= M, the classes of the labelled images.
        places: int64 [M], the place of each image in its split; on the CPU, where objectives look up what they know of
            it: a GPU would have to be waited for.
        progress: Share of all steps of all phases that have been taken, 0..1.
        masks: float32 [M, size, size], 0..1, masks of the findings, varied as the images are; 0 throughout where the
            mask of an image is not known. None: no mask was read.
        plain: float32 [M - B, channels, size, size], the unlabelled images as they are, not varied; None unless
            `Objective.sees_plain`.
    """

    images: Tensor
    labels: Tensor
    places: Tensor
    progress: float
    masks: Tensor | None = None
    plain: Tensor | None = None


class Objective(nn.Module):
    """Base of all objectives: a module that computes the loss of one step from a network and a batch.

    Parameters of its own are trained at the rate of the head.

    Attributes:
        unlabelled: Images that are added to every batch, as many as labelled ones; their labels are never read. None:
            batches hold labelled images alone.
        sees_plain: Whether it sees the unlabelled images as they are too, `Batch.plain`.
    """

    unlabelled: Split | None = None
    sees_plain: bool = False

    def forward(self, network: Network, batch: Batch) -> Tensor:
        """Computes the loss of one step, a scalar.

        Args:
            network: The network that is trained; the objective runs it, under autocast where training is in bf16.
            batch: The images of the step.
        """
        raise NotImplementedError

    def logits(self, network: Network, features: Tensor) -> Tensor:
        """Computes the logits by which a checkpoint is chosen, float [N, classes]; by default by the network's head.

        Args:
            network: The network that is trained.
            features: float32 [N, width], features of validation images.
        """
        scores: Tensor = network.head(features)
        return scores

    def labels(self, validation: Split) -> NDArray[np.int64]:
        """Returns the true labels of the validation images, with which the output of `logits` is scored.

        Args:
            validation: The validation split.

        Returns:
            int64 [N], by default the class of each image; -1 where it is not known, and the image is left out.
        """
        return validation.labels

    def metrics(self) -> dict[str, float]:
        """Returns what was measured since the last call: name of the measure to value; by default empty.

        Each name becomes a column of the training history.
        """
        return {}

    def after_step(self, network: Network, rates: Mapping[nn.Parameter, float]) -> None:
        """Changes the network in place after a step of the optimiser; by default not at all.

        Args:
            network: The network that is trained.
            rates: Learning rate of each parameter that is trained.
        """

    def evaluation_statistics(self, network: Network, split: Split) -> AbstractContextManager[None]:
        """Gives the network the BatchNorm statistics that fit a split, within a `with` block; by default its own.

        Args:
            network: The network that is evaluated.
            split: The images on which it is evaluated.
        """
        return nullcontext()


class ClassLoss(Objective):
    """Weighted cross-entropy of the class logits: plain supervised training.

    Args:
        weights: float32 [classes], weights of the classes, with mean 1 over the training samples.
        label_smoothing: Share of the label that is spread over all classes, 0..1.
        focal_gamma: Exponent of the focal loss, at least 0; 0: plain cross-entropy.
    """

    weights: Tensor

    def __init__(self, weights: Tensor, *, label_smoothing: float = 0.0, focal_gamma: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("weights", weights, persistent=False)
        self.label_smoothing, self.focal_gamma = label_smoothing, focal_gamma

    def forward(self, network: Network, batch: Batch) -> Tensor:
        """Computes the mean loss over the labelled images of a batch, a scalar."""
        return self.of(network(batch.images[: len(batch.labels)]), batch.labels)

    def of(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Computes the mean loss of a batch, a scalar.

        Args:
            scores: float [B, classes], logits.
            labels: int64 [B], true classes.
        """
        return weighted_loss(
            scores.float(),
            labels,
            self.weights,
            label_smoothing=self.label_smoothing,
            focal_gamma=self.focal_gamma,
        )


class LossModule(nn.Module):
    """Network and objective as one module whose output is the loss; this is what accelerate wraps and trains.

    Args:
        network: The network that is trained.
        objective: Computes the loss; parameters of its own are trained too.
    """

    def __init__(self, network: Network, objective: Objective) -> None:
        super().__init__()
        self.network, self.objective = network, objective

    def forward(self, batch: Batch) -> Tensor:
        """Computes the loss of one step, a scalar."""
        loss: Tensor = self.objective(self.network, batch)
        return loss


def class_weights(labels: NDArray[np.int64], costs: Sequence[float], *, balanced: bool) -> Tensor:
    """Computes the weight of each class in the loss, float32 [classes], with mean 1 over the samples.

    Args:
        labels: int64 [N], labels of the training samples.
        costs: [classes], cost of a mistake on a sample of each class.
        balanced: Whether classes are first weighted by the inverse of their frequency.
    """
    weights = torch.tensor(costs, dtype=torch.float32)
    if balanced:
        weights = weights * balanced_weights(labels, len(costs))
    return weights / weights[torch.from_numpy(labels)].mean()


def weighted_loss(
    scores: Tensor, labels: Tensor, weights: Tensor, *, label_smoothing: float = 0.0, focal_gamma: float = 0.0
) -> Tensor:
    """Computes the mean cross-entropy over a batch, a scalar, with class weights, label smoothing and the focal factor.

    Args:
        scores: float32 [B, classes], logits.
        labels: int64 [B], true classes.
        weights: float32 [classes], weights of the classes, with mean 1 over the training samples.
        label_smoothing: Share of the label that is spread over all classes, 0..1.
        focal_gamma: Exponent of (1 - probability of the true class), at least 0; 0: plain cross-entropy.

    Source: Lin et al., Focal Loss for Dense Object Detection, arXiv 1708.02002, equation 5, with softmax.
    """
    losses = F.cross_entropy(scores, labels, weight=weights, label_smoothing=label_smoothing, reduction="none")
    if focal_gamma:
        right = torch.softmax(scores, dim=1).gather(1, labels[:, None])[:, 0]
        losses = losses * (1.0 - right) ** focal_gamma
    # divided by the size of the batch, not by its summed weights: that would undo part of the weighting in each batch
    return losses.mean()


def balanced_weights(labels: NDArray[np.int64], classes: int) -> Tensor:
    """Computes class weights inverse to frequency, float32 [classes]; mean 1 over samples, 0 for absent classes.

    Args:
        labels: int64 [N], labels of the training samples, 0 to classes - 1.
        classes: Number of classes.
    """
    counts = np.bincount(labels, minlength=classes).astype(np.float64)
    present = counts > 0
    weights = np.zeros(classes)
    weights[present] = len(labels) / (present.sum() * counts[present])
    return torch.tensor(weights, dtype=torch.float32)
