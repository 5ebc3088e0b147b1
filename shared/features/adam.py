"""A linear head trained epoch by epoch, as papers do it, on features that were computed once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from shared.features.lbfgs import LOSSES, FeatureSource, Loss, Standardiser, bounds
from shared.features.linear import LinearHead
from shared.seeding import generator

BATCH = 32
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
    """The head of the epoch that scores best, trained by Adam in batches of `BATCH` on standardised features.

    Features beyond memory are read block by block; the order of blocks, and that within each, is drawn for each epoch.

    Args:
        features: float32 [N, width].
        labels: int64 [N].
        classes: Number of classes.
        loss: "softmax" or "svm", as of `shared.features.lbfgs.minimise`.
        epochs: Passes over all features.
        score: Judges a head on data it was not fitted to; higher is better.
        seed: Of the order.
        class_weights: float32 [classes], mean 1 over the samples; none: all alike.

    Returns:
        The head, and a row an epoch: `epoch`, `train_loss`, `validation_score`, `seconds` (without the judging).
    """
    frame = Standardiser.of(features)
    solution = torch.zeros(classes, features.shape[1] + 1, device=frame.mean.device, requires_grad=True)
    optimiser = torch.optim.Adam([solution], lr=LEARNING_RATE)
    blocks = list(bounds(features))
    best: tuple[float, LinearHead] | None = None
    rows = []
    for epoch in range(1, epochs + 1):
        started, total = time.perf_counter(), 0.0
        random = generator(seed, "head", epoch)
        for number in random.permutation(len(blocks)):
            start, stop = blocks[number]
            block, truth = (features.block(start, stop) - frame.mean) / frame.scale, labels[start:stop]
            order = torch.from_numpy(random.permutation(stop - start)).to(block.device)
            for few in torch.split(order, BATCH):
                total += _step(optimiser, solution, block[few], truth[few], loss, class_weights)
        seconds = time.perf_counter() - started
        mean_loss = total / features.shape[0]
        weight = solution.detach()[:, :-1] / frame.scale
        head = LinearHead(weight, solution.detach()[:, -1] - weight @ frame.mean, 0.0, mean_loss)
        value = score(head)
        rows.append({"epoch": epoch, "train_loss": mean_loss, "validation_score": value, "seconds": seconds})
        if best is None or value > best[0]:
            best = (value, head)
    if best is None:
        raise ValueError("epochs is 0")
    return best[1], rows


def _step(
    optimiser: torch.optim.Optimizer,
    solution: Tensor,
    block: Tensor,
    truth: Tensor,
    loss: Loss,
    class_weights: Tensor | None,
) -> float:
    """One step down the gradient of a batch; the sum of its losses."""
    with torch.no_grad():
        losses, pull = LOSSES[loss](block @ solution[:, :-1].T + solution[:, -1], truth)
        if class_weights is not None:
            of_each = class_weights[truth]
            losses, pull = losses * of_each, pull * of_each[:, None]
        solution.grad = torch.cat([pull.T @ block, pull.sum(dim=0)[:, None]], dim=1) / len(truth)
    optimiser.step()
    return float(losses.sum())
