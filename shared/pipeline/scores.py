"""Scores of a trained network on the images of a split: classes, out-of-distribution, auxiliary tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import overload

import numpy as np
import torch
from numpy.typing import NDArray

from shared.data.split import Split
from shared.evaluation.decision.ood import REFERENCE_SIZE, Reference
from shared.evaluation.decision.ood_threshold import one_of_each
from shared.evaluation.inputs import input_classes
from shared.evaluation.statistics.groups import group_codes
from shared.models.network import layer_widths
from shared.seeding import derive_seed, generator
from shared.strategies.base import Strategy
from shared.task import Image
from shared.training.augmented import Augment
from shared.training.job import Job

VARIED_AT_ONCE = 32
"""Images that are varied together, as many as in a usual step of training."""
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """Scores of the N images of a split.

    Attributes:
        classes: float64 [N, classes], logits.
        ood: float64 [N], out-of-distribution scores, 0 to 2; higher is less like the training images.
        auxiliary: By auxiliary task, float64 [N, labels of the task], logits.
    """

    classes: Values
    ood: Values
    auxiliary: dict[str, Values]

    def at(self, rows: NDArray[np.int64]) -> Scores:
        """Selects the scores of the images at the indices `rows`, int64 [M]."""
        return Scores(self.classes[rows], self.ood[rows], {name: one[rows] for name, one in self.auxiliary.items()})


@torch.no_grad()
def score_split(strategy: Strategy, job: Job, split: Split, reference: Reference) -> Scores:
    """Scores the images of a split by the trained network of a job.

    Args:
        strategy: The strategy by which the network was trained; it extracts the features.
        job: The job, after training.
        split: The images.
        reference: Features of training images, to which out-of-distribution scores measure the distance.
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


def reference_features(strategy: Strategy, job: Job, seed: int, *, varied: bool = False) -> Reference:
    """Extracts features of randomly drawn training images, the reference of out-of-distribution scores.

    Args:
        strategy: The strategy by which the network was trained; it extracts the features.
        job: The job, after training; where it has a target, half of the images are the target's.
        seed: Seed of the draw.
        varied: Whether every second image is varied as in training.
    """
    blocks = []
    for split, rows in zip(_reference_splits(job), _drawn(job, seed), strict=True):
        parts = [split.of(rows[::2]), varied_split(split.of(rows[1::2]), job)] if varied else [split.of(rows)]
        blocks += [one.float().cpu().numpy() for part in parts for one in strategy.features(job, part)]
    features = np.concatenate(blocks)
    # shuffled, so that neighbouring rows of the file are not slices of one patient
    shuffled = features[_reference_order(len(features), seed)]
    widths = [
        width
        for trunk in job.network.to(job.device).trunks
        for width in layer_widths(trunk.backbone, trunk.layers, trunk.pooling, job.spec.channels, job.spec.size)
    ]
    return Reference.of(shuffled, widths)


def neighbours(
    strategy: Strategy, job: Job, images: Split, reference: Reference, seed: int, count: int, *, varied: bool = False
) -> NDArray[np.int64]:
    """Finds the training images with the most similar features by cosine, among those whose features the reference has.

    Args:
        strategy: The strategy by which the network was trained; it extracts the features.
        job: The job, after training.
        images: Images to find neighbours of, N, at least one.
        reference: What `reference_features` extracted.
        seed: Seed of its draw.
        count: Neighbours of each image, at least 1; there are fewer where the reference has fewer images.
        varied: Whether every second image of it was varied; such are no neighbours.

    Returns:
        Indices into the training images, int64 [N, count], nearest first.
    """
    drawn = _drawn(job, seed)
    plain = drawn[0][::2] if varied else drawn[0]
    rows = np.full(sum(map(len, drawn)), -1)
    rows[: len(plain)] = plain
    rows = rows[_reference_order(len(rows), seed)]
    known = np.flatnonzero(rows >= 0)
    found = np.concatenate([one.float().cpu().numpy() for one in strategy.features(job, images)])
    similar = found @ reference.features[known].astype(np.float32).T
    nearest = np.argsort(-similar, axis=1, kind="stable")[:, :count]
    return np.asarray(rows[known][nearest])


def _reference_splits(job: Job) -> list[Split]:
    """The splits whose features are the reference: training, and where there is a target its training images."""
    return [job.train] if job.target is None else [job.train, job.target.train]


def _drawn(job: Job, seed: int) -> list[NDArray[np.int64]]:
    """The rows of each of these splits that are drawn, sorted."""
    splits = _reference_splits(job)
    return [
        np.sort(generator(seed, "reference codes").permutation(len(split.samples))[: REFERENCE_SIZE // len(splits)])
        for split in splits
    ]


def _reference_order(count: int, seed: int) -> NDArray[np.int64]:
    """The place of each row of the reference among the features as they were extracted."""
    return generator(seed, "reference order").permutation(count)


def varied_split(split: Split, job: Job) -> Split:
    """Varies every image of a split once, as in training; the job must have an augmentation.

    Args:
        split: The images.
        job: The job, with augmentation and seed.
    """
    assert job.augment is not None  # preflight refuses the option without one
    seeds = [derive_seed(job.seed, "varied", sample.id) for sample in split.samples]
    return replace(split, images=_Varied(split.images, seeds, job.augment))


class _Varied(Sequence[Image]):
    """Images that are varied when they are asked for, a block at a time; the last block stays in memory."""

    def __init__(self, images: Sequence[Image], seeds: Sequence[int], augment: Augment) -> None:
        self.images, self.seeds, self.augment = images, seeds, augment
        self._number, self._block = -1, np.zeros(0, dtype=np.float32)

    def __len__(self) -> int:
        return len(self.seeds)

    @overload
    def __getitem__(self, index: int) -> Image: ...

    @overload
    def __getitem__(self, index: slice) -> list[Image]: ...

    def __getitem__(self, index: int | slice) -> Image | list[Image]:
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        number, place = divmod(range(len(self))[index], VARIED_AT_ONCE)
        if number != self._number:
            rows = range(number * VARIED_AT_ONCE, min((number + 1) * VARIED_AT_ONCE, len(self)))
            pixels = torch.from_numpy(np.stack([self.images[i] for i in rows], dtype=np.float32))
            self._number, self._block = number, self.augment(pixels, [self.seeds[i] for i in rows]).cpu().numpy()
        varied: Image = self._block[place]
        return varied


def familiar_scores(scores: Values, split: Split, seed: int) -> Values:
    """Picks one out-of-distribution score for each independent unit of a split, float64 [units].

    Args:
        scores: float64 [N], out-of-distribution scores of the split's images.
        split: The images.
        seed: Seed of the picks.
    """
    return one_of_each(scores, _inputs(split), split.grouping.units, seed)


def familiar_by_class(
    scores: Values, split: Split, seed: int, classes: Sequence[str], positive: Sequence[bool]
) -> tuple[dict[str, Values], Values | None]:
    """Picks, for each class, one out-of-distribution score for each independent unit that has an input of it.

    Args:
        scores: float64 [N], out-of-distribution scores of the split's images.
        split: The images, all of them labelled.
        seed: Seed of the picks.
        classes: Names of the classes.
        positive: For each class, whether it is positive.

    Returns:
        By name of each class, in their order, float64 [units of the class], empty where there is no such input; and the
        same for the inputs of all positive classes together, None where no class is positive.
    """
    inputs, flags = _inputs(split), np.array(positive, dtype=np.bool_)
    of_images = input_classes(inputs, split.labels, flags)[group_codes(inputs)]

    def picked(chosen: NDArray[np.bool_]) -> Values:
        rows = np.flatnonzero(chosen)
        return familiar_scores(scores[rows], split.of(rows), seed) if len(rows) else np.zeros(0)

    by_class = {name: picked(of_images == number) for number, name in enumerate(classes)}
    return by_class, picked(flags[of_images]) if flags.any() else None


def _inputs(split: Split) -> list[str]:
    """The input that prediction would judge each image with."""
    return [sample.series_key for sample in split.samples]
