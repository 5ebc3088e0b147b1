"""What a trained network says of the images of a split: class scores, out-of-distribution scores, auxiliary scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from shared.data.split import Split
from shared.evaluation.decision.ood import REFERENCE_SIZE, Reference, one_of_each
from shared.seeding import generator
from shared.strategies.base import Strategy
from shared.training.job import Job

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """Scores of the N images of a split.

    Attributes:
        classes: float64 [N, classes], before the softmax.
        ood: float64 [N], how unlike the training images each is, 0 to 2.
        auxiliary: By auxiliary task, float64 [N, answers], before the softmax.
    """

    classes: Values
    ood: Values
    auxiliary: dict[str, Values]


@torch.no_grad()
def score_split(strategy: Strategy, job: Job, split: Split, reference: Reference) -> Scores:
    """Scores the images of a split by the network of a job.

    Args:
        strategy: How the network was trained; it takes the features.
        job: The training that has ended.
        split: The images.
        reference: Features of training images, for the out-of-distribution scores.
    """
    head, others = job.network.head.to(job.device), job.network.to(job.device).auxiliary_heads()
    rows, ood = [], []
    auxiliary: dict[str, list[Values]] = {other.task: [] for other in others}
    for features in strategy.features(job, split):
        rows.append(head(features).double().cpu().numpy())
        ood.append(reference.scores(features.float().cpu().numpy()))
        for other in others:
            auxiliary[other.task].append(other(features).double().cpu().numpy())
    return Scores(
        np.concatenate(rows), np.concatenate(ood), {name: np.concatenate(found) for name, found in auxiliary.items()}
    )


def reference_features(strategy: Strategy, job: Job, seed: int) -> Reference:
    """Features of some training images by the trained network; of a target as many as of the labelled images.

    Args:
        strategy: How the network was trained; it takes the features.
        job: The training that has ended.
        seed: Seed of the draw of images.
    """
    seen = [job.train] if job.target is None else [job.train, job.target.train]
    blocks = []
    for split in seen:
        drawn = generator(seed, "reference codes").permutation(len(split.samples))[: REFERENCE_SIZE // len(seen)]
        blocks += [features.float().cpu().numpy() for features in strategy.features(job, split.of(np.sort(drawn)))]
    features = np.concatenate(blocks)
    # in no order: neighbours in the file must not be slices of one patient
    return Reference.of(features[generator(seed, "reference order").permutation(len(features))])


def familiar_scores(scores: Values, split: Split, seed: int) -> Values:
    """Out-of-distribution scores of a split, one for each independent unit."""
    return one_of_each(scores, [sample.series_key for sample in split.samples], split.belonging.units, seed)
