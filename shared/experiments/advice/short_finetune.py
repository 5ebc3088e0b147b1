"""Short fine-tuning on folds, to measure what it gains over linear classifiers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from shared.data.split import Split
from shared.experiments.advice.recipes import epochs_for
from shared.experiments.advice.scorer import Values
from shared.pipeline.fit import fit
from shared.pipeline.preflight import Experiment
from shared.progress import Progress
from shared.samples import Dataset

MAX_IMAGES_SEEN = 2_500
"""Images that fine-tuning of one backbone may see in all: some 20 s of MobileNetV2 at 96 pixels on two cores."""
VALIDATION_IMAGES = 32
"""Training images that take the place of validation: no checkpoint is chosen, so none is held out to choose one."""


def folds_to_run(images: int, folds: NDArray[np.int64]) -> list[int]:
    """Lists the cross-validation folds to train, as many as fit the budget `MAX_IMAGES_SEEN`, at least one.

    Args:
        images: Number of images in all folds.
        folds: int64 [N], number of the fold of each image.

    Returns:
        Numbers of the folds to train, the lowest first.
    """
    numbers = np.unique(folds).tolist()
    train_count = round(images * (1 - 1 / len(numbers)))
    return numbers[: max(1, MAX_IMAGES_SEEN // (train_count * (epochs_for(train_count) + 1)))]


def finetuned_scores(
    configure: Callable[[int], Experiment],
    dataset: Dataset,
    split: Split,
    folds: NDArray[np.int64],
    run: Sequence[int],
    progress: Progress,
) -> tuple[NDArray[np.int64], Values]:
    """Scores the images of some folds, each by a network that was fine-tuned on all other folds.

    Args:
        configure: Makes the experiment for a number of training images.
        dataset: The dataset of the images.
        split: The images.
        folds: int64 [N], number of each image's fold.
        run: Numbers of the folds that are scored.
        progress: Called with (what, done, total, note).

    Returns:
        Rows of the scored images, int64 [M], and their probabilities, float64 [M, classes].
    """
    rows, scores = list[NDArray[np.int64]](), list[Values]()
    for number in run:
        inside = np.flatnonzero(folds == number)
        outside = np.flatnonzero(folds != number)
        experiment = configure(len(outside))
        spaced = np.linspace(0, len(outside) - 1, min(VALIDATION_IMAGES, len(outside))).astype(int)
        splits = {"train": split.of(outside), "validation": split.of(outside[spaced])}
        with tempfile.TemporaryDirectory() as folder, torch.random.fork_rng(devices=[]):
            job = fit(experiment, dataset, splits, folder=Path(folder), progress=progress).job
            with torch.no_grad():
                blocks = experiment.strategy.features(job, split.of(inside))
                logits = torch.cat([job.network.head(features).float().cpu() for features in blocks])
        rows.append(inside)
        scores.append(torch.softmax(logits.double(), dim=1).numpy())
    return np.concatenate(rows), np.concatenate(scores)
