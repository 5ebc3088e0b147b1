"""Fine-tuning tried on folds, as briefly as it allows, for what linear classifiers cannot say."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from shared.data.split import Split
from shared.experiments.advice.judge import Values
from shared.experiments.advice.recipes import epochs_for
from shared.pipeline.fit import fit
from shared.pipeline.preflight import Experiment
from shared.progress import Progress
from shared.samples import Dataset

PASSES = 2_500
"""Images that all fine-tuning of one backbone may see: on two cores some 20 s at 96 pixels a side, with MobileNetV2."""
STANDING_IN = 32
"""Training images that stand where validation would: no checkpoint is chosen, and no image is spent on choosing one."""


def folds_to_run(images: int, folds: NDArray[np.int64]) -> list[int]:
    """Which folds are run: as many as `PASSES` allow, at least one."""
    numbers = np.unique(folds).tolist()
    learnt = round(images * (1 - 1 / len(numbers)))
    return numbers[: max(1, PASSES // (learnt * (epochs_for(learnt) + 1)))]


def finetuned_scores(
    configure: Callable[[int], Experiment],
    dataset: Dataset,
    split: Split,
    folds: NDArray[np.int64],
    run: Sequence[int],
    progress: Progress,
) -> tuple[NDArray[np.int64], Values]:
    """Probabilities of the images of some folds, each by a network that was fine-tuned on the other folds.

    Args:
        configure: Gives the experiment for a number of training images.
        dataset: Of the images.
        split: The images.
        folds: [N] number of the fold of each.
        run: Which folds are judged.
        progress: Called with (what, done, total, note).

    Returns:
        Rows of the images judged, and their probabilities [rows, classes].
    """
    rows, scores = list[NDArray[np.int64]](), list[Values]()
    for number in run:
        inside = np.flatnonzero(folds == number)
        learnt = np.flatnonzero(folds != number)
        experiment = configure(len(learnt))
        standing_in = split.of(learnt[np.linspace(0, len(learnt) - 1, min(STANDING_IN, len(learnt))).astype(int)])
        splits = {"train": split.of(learnt), "validation": standing_in}
        with tempfile.TemporaryDirectory() as folder, torch.random.fork_rng(devices=[]):
            job, _, _ = fit(experiment, dataset, splits, folder=Path(folder), progress=progress)
            with torch.no_grad():
                blocks = experiment.strategy.features(job, split.of(inside))
                found = torch.cat([job.network.head(features).float().cpu() for features in blocks])
        rows.append(inside)
        scores.append(torch.softmax(found.double(), dim=1).numpy())
    return np.concatenate(rows), np.concatenate(scores)
