"""Linear heads trained by Adam, epoch by epoch, on features that were computed once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from shared.features.linear import LinearHead
from shared.features.losses import LOSSES, Loss
from shared.features.sources import FeatureSource, Standardiser, bounds
from shared.seeding import generator

BATCH = 32
"""Samples in a step."""
LEARNING_RATE = 1e-3
"""Adam's usual rate. Source: Kingma & Ba, arXiv 1412.6980, algorithm 1."""


def fit_epochs(
    features: FeatureSource,
    labels: Tensor,
    classes: int,
    *,
    loss: Loss,
    epochs: int,
    score: Callable[[LinearHead], float],
    seed: int,
    class_weights: Tensor | None = None,
) -> tuple[LinearHead, list[dict[str, Any]]]:
    """Trains a linear head by Adam in batches of `BATCH` on standardised features, and returns that of the best epoch.

    Features beyond memory are read block by block; the order of blocks, and that within each, is drawn for each epoch.

    Args:
        features: float32 [N, width].
        labels: int64 [N].
        classes: Number of classes.
        loss: "softmax" (cross-entropy) or "svm" (one against the rest, squared hinge).
        epochs: Passes over all features, at least 1.
        score: Scores a head on data it was not fitted to; higher is better.
        seed: Seed of the order of blocks and samples.
        class_weights: float32 [classes], weights of the classes, mean 1 over the samples; None: all alike.

    Returns:
        The head, and a row an epoch: `epoch`, `train_loss`, `validation_score`, `seconds` (without the scoring).

    Raises:
        ValueError: `epochs` is below 1.
    """
    standardiser = Standardiser.of(features)
    solution = torch.zeros(classes, features.shape[1] + 1, device=standardiser.mean.device, requires_grad=True)
    optimiser = torch.optim.Adam([solution], lr=LEARNING_RATE)
    blocks = list(bounds(features))
    best: tuple[float, LinearHead] | None = None
    rows = []
    for epoch in range(1, epochs + 1):
        started, total = time.perf_counter(), 0.0
        random = generator(seed, "head", epoch)
        for number in random.permutation(len(blocks)):
            start, stop = blocks[number]
            block, truth = features.block(start, stop), labels[start:stop]
            order = torch.from_numpy(random.permutation(stop - start)).to(block.device)
            for batch in torch.split(order, BATCH):
                standard = block[batch].sub_(standardiser.mean).div_(standardiser.scale)
                total += _step(optimiser, solution, standard, truth[batch], loss, class_weights)
        seconds = time.perf_counter() - started
        mean_loss = total / features.shape[0]
        weight = solution.detach()[:, :-1] / standardiser.scale
        head = LinearHead(weight, solution.detach()[:, -1] - weight @ standardiser.mean, 0.0, mean_loss)
        value = score(head)
        rows.append({"epoch": epoch, "train_loss": mean_loss, "validation_score": value, "seconds": seconds})
        if best is None or value > best[0]:
            best = (value, head)
    if best is None:
        raise ValueError(f"epochs is {epochs}; at least 1 is needed")
    return best[1], rows


def _step(
    optimiser: torch.optim.Optimizer,
    solution: Tensor,
    block: Tensor,
    truth: Tensor,
    loss: Loss,
    class_weights: Tensor | None,
) -> float:
    """Takes one step down the gradient of a batch, and returns the sum of its losses."""
    with torch.no_grad():
        losses, slopes = LOSSES[loss](block @ solution[:, :-1].T + solution[:, -1], truth)
        if class_weights is not None:
            sample_weights = class_weights[truth, None]
            losses, slopes = losses * sample_weights, slopes * sample_weights
        gradient = torch.empty_like(solution) if solution.grad is None else solution.grad
        torch.mm(slopes.T, block, out=gradient[:, :-1])
        torch.sum(slopes, dim=0, out=gradient[:, -1])
        solution.grad = gradient.div_(len(truth))
    optimiser.step()
    return float(losses.sum())
