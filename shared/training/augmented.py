"""Training images as a torch dataset, augmented at random by a seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from shared.data.split import Split
from shared.seeding import derive_seed
from shared.task import Image


class Augmented(TorchDataset[tuple[Tensor, int, int]]):
    """Dataset of the labelled and unlabelled training images; each draw depends on (seed, phase, epoch, index) alone.

    Args:
        split: The labelled images.
        unlabelled: Further images, whose labels are not read; None: there are none.
        augment: Varies an image float32 [channels, size, size] by a seed; None: images stay as they are.
        seed: Seed of the job.
    """

    def __init__(
        self, split: Split, unlabelled: Split | None, augment: Callable[[Image, int], Image] | None, seed: int
    ) -> None:
        self.split, self.unlabelled, self.augment, self.seed = split, unlabelled, augment, seed

    def __getitem__(self, key: tuple[int, int, int]) -> tuple[Tensor, int, int]:
        """Returns an image float32 [channels, size, size], its label and its place in its split.

        Where masks were read, the image has one channel more: its mask, 0 throughout where that is not known.

        Args:
            key: Phase, epoch and index. Indices from the size of the labelled split on count the unlabelled images,
                whose label is -1.
        """
        phase, epoch, index = key
        count = len(self.split.samples)
        place = index if index < count else index - count
        if index < count:
            image, label = self.split.images[place], int(self.split.labels[place])
        else:
            assert self.unlabelled is not None  # else no such index is drawn
            image, label = self.unlabelled.images[place], -1
        if self.split.masks:
            image = np.concatenate([image, self._mask(index, image)])
        if self.augment is not None:
            with _one_thread():
                image = self.augment(image, derive_seed(self.seed, "augment", phase, epoch, index))
        return torch.from_numpy(np.array(image, dtype=np.float32)), label, place

    def _mask(self, index: int, image: Image) -> Image:
        """The mask of an image, as a channel of 0 and 1."""
        mask = self.split.masks[index] if index < len(self.split.samples) else None
        return np.zeros((1, *image.shape[1:]), dtype=np.float32) if mask is None else mask[None].astype(np.float32)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Limits torch to one thread: on small tensors that takes a fifth of the time (measured once, not recorded)."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
