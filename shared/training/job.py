"""What one training is given: a network, and the splits of the data that it may see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from shared.data.split import Split
from shared.models.network import Network
from shared.progress import Progress
from shared.samples import Sample
from shared.task import Image, Preprocessing


@dataclass(frozen=True)
class Target:
    """What a training may see of the domain that it shall adapt to: images, and no label of any.

    Attributes:
        train: To learn from; labels are -1, and the samples name none.
        validation: The same, to choose by.
    """

    train: Split
    validation: Split

    @property
    def domain(self) -> str:
        """Its name."""
        return self.train.samples[0].domain


@dataclass(frozen=True)
class Job:
    """One training, as a strategy sees it. The test set is not in it."""

    network: Network
    train: Split
    validation: Split
    classes: tuple[str, ...]
    miss_costs: tuple[float, ...]
    """What a mistake on a sample of each class costs, in false alarms."""
    spec: Preprocessing
    content_hash: str
    """Of the bytes of the data, for caches."""
    fingerprint: str
    """Of the whole dataset, labels and groups included, for what must not be taken up on another one."""
    augment: Callable[[Image, int], Image] | None
    """Random variation of a training image by a seed; None: images are not varied."""
    seed: int
    device: torch.device
    folder: Path
    progress: Progress
    target: Target | None = None
    """The domain to adapt to; None: there is none."""
    on_epoch_end: Callable[[Job, int], None] = lambda *_: None
    """Called with the job and the number of the epoch, from 0, after each; for judging afterwards, not to learn."""
    state: dict[str, Any] = field(default_factory=dict)
    """What a strategy's `fit` leaves for its `features`."""
    weights: str = "random"
    """Where those of the backbone come from, as `shared.models.weights.load_weights` takes it."""
    auxiliary: Callable[[Sample], Mapping[str, str]] = lambda sample: sample.auxiliary
    """What is known of a sample beside its class, by the name of the question."""
