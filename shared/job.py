"""What one training is given: a network, and the parts of the data that it may see."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

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

    def of(self, indices: NDArray[np.int64]) -> Part:
        """Those samples alone, in that order."""
        chosen = indices.tolist()
        whole = self.belonging
        belonging = Belonging(*(tuple(x[i] for i in chosen) for x in (whole.series, whole.groups, whole.units)))
        return Part([self.samples[i] for i in chosen], Chosen(self.images, chosen), self.labels[indices], belonging)


class Chosen(Sequence[Image]):
    """Some of a sequence of images, in an order of their own; none is copied."""

    def __init__(self, images: Sequence[Image], indices: Sequence[int]) -> None:
        self.images, self.indices = images, indices

    def __len__(self) -> int:
        return len(self.indices)

    @overload
    def __getitem__(self, index: int) -> Image: ...

    @overload
    def __getitem__(self, index: slice) -> Chosen: ...

    def __getitem__(self, index: int | slice) -> Image | Chosen:
        if isinstance(index, slice):
            return Chosen(self.images, self.indices[index])
        return self.images[self.indices[index]]


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
    weights: str = "random"
    """Where those of the backbone come from, as `shared.weights.load_weights` takes it."""
    further: Callable[[Sample], Mapping[str, str]] = lambda sample: sample.further
    """What is known of a sample beside its class, by the name of the question."""
