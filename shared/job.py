"""What one training is given: a network, and the parts of the data that it may see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from shared.network import Network
from shared.progress import Progress
from shared.samples import Belonging, Sample
from shared.task import Image, Preprocessing


@dataclass(frozen=True)
class Part:
    """The samples of one split, with their images.

    Attributes:
        samples: Of this split, in a fixed order.
        images: float32 [channels, size, size] each, in the order of `samples`.
        labels: int64 [N], indices into the run's classes.
        belonging: To which series, groups and independent units they belong.
    """

    samples: Sequence[Sample]
    images: Sequence[Image]
    labels: NDArray[np.int64]
    belonging: Belonging


@dataclass(frozen=True)
class Job:
    """One training, as a strategy sees it. The test set is not in it."""

    network: Network
    train: Part
    validation: Part
    classes: tuple[str, ...]
    costs: tuple[float, ...]
    """What a mistake on a sample of each class costs, in false alarms."""
    spec: Preprocessing
    content_hash: str
    """Of the bytes of the data, for caches."""
    fingerprint: str
    """Of the whole dataset, labels and groups included, for what must not be taken up on another one."""
    augment: Callable[[Image, int], Image]
    seed: int
    device: torch.device
    folder: Path
    progress: Progress
