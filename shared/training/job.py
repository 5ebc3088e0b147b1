"""The inputs of one training: a network, the splits of the data that it may see, and where it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from shared.data.folds import Folds
from shared.data.split import Split
from shared.models.network import Network
from shared.progress import Progress
from shared.samples import Sample
from shared.task import Preprocessing
from shared.training.augmented import Augment

OnRow = Callable[[int, Mapping[str, Any]], None]
"""Takes the number of an epoch, from 1, and its row of the history."""


@dataclass(frozen=True)
class Target:
    """The unlabelled images of the target domain that a training may see.

    Attributes:
        train: Images to learn from; all labels are -1, and the samples hold none.
        validation: Images by which checkpoints and settings are chosen; as unlabelled as `train`.
    """

    train: Split
    validation: Split

    @property
    def domain(self) -> str:
        """Name of the target domain, read from the first training image."""
        return self.train.samples[0].domain


@dataclass(frozen=True)
class Job:
    """Everything that a strategy gets for one training; the test set is not part of it.

    Attributes:
        network: The network to train, with its initial weights.
        train: Labelled images to learn from.
        validation: Labelled images by which a checkpoint is chosen; the training images again where `folds` choose.
        classes: Names of the classes, in the order of the labels.
        miss_costs: Cost of a mistake on a sample of each class, in false alarms.
        spec: Preprocessing of the images.
        content_hash: Hash over the bytes of the data, for keys of caches.
        fingerprint: Hash over the whole dataset with its labels and groups; a checkpoint with another one is refused.
        augment: Varies a batch of training images at random, by a seed for each; None: images are not varied.
        augments_batches: Whether `augment` varies a batch at once, on the device where it lies; else it is image by
            image, on a CPU.
        seed: Seed of all draws.
        device: Device to train on.
        folder: The run folder.
        progress: Called with (what, done, total, note).
        target: Unlabelled images of the domain to adapt to; None: no adaptation.
        on_epoch_end: Called with the job and the number of the epoch, from 0, after each epoch. It records what is
            evaluated later; training does not learn from it.
        on_row: Called with the number of the epoch, from 1, and its row of the history, once the row is complete, to
            show it elsewhere. A row may come twice, where training resumes.
        folds: Folds of the training images, which choose in place of `validation`; None: `validation` chooses.
        state: Values that a strategy's `fit` stores for its `features`, and the precision that was taken
            (`shared.training.precision.STATE`).
        folded_batch_norm: Whether BatchNorm was folded into the convolutions of the backbone's weights.
        weights: Source of the backbone's weights, as in `shared.models.weights.load_weights`.
        varying: Properties of `Sample.acquisition` in which images of one domain differ, as `Task.varying`.
        auxiliary: Function that returns the auxiliary labels of a sample, by the name of the auxiliary task.
    """

    network: Network
    train: Split
    validation: Split
    classes: tuple[str, ...]
    miss_costs: tuple[float, ...]
    spec: Preprocessing
    content_hash: str
    fingerprint: str
    augment: Augment | None
    seed: int
    device: torch.device
    folder: Path
    progress: Progress
    target: Target | None = None
    augments_batches: bool = False
    on_epoch_end: Callable[[Job, int], None] = lambda *_: None
    on_row: OnRow = lambda *_: None
    folds: Folds | None = None
    state: dict[str, Any] = field(default_factory=dict)
    folded_batch_norm: bool = False
    weights: str = "random"
    varying: tuple[str, ...] = ()
    auxiliary: Callable[[Sample], Mapping[str, str]] = lambda sample: sample.auxiliary
