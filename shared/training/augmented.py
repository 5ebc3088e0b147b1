"""The training images of an epoch, varied, in an order that a seed fixes."""

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
    """Training images, labelled and unlabelled, augmented by a draw from (seed, phase, epoch, index) alone."""

    def __init__(
        self, split: Split, unlabelled: Split | None, augment: Callable[[Image, int], Image] | None, seed: int
    ) -> None:
        self.split, self.unlabelled, self.augment, self.seed = split, unlabelled, augment, seed

    def __getitem__(self, key: tuple[int, int, int]) -> tuple[Tensor, int, int]:
        """Image [channels, size, size], label and place of key (phase, epoch, index).

        Indices from the size of the training split on are of the unlabelled images, whose label reads as -1.
        """
        phase, epoch, index = key
        count = len(self.split.samples)
        place = index if index < count else index - count
        if index < count:
            image, label = self.split.images[place], int(self.split.labels[place])
        else:
            assert self.unlabelled is not None  # else no such index is drawn
            image, label = self.unlabelled.images[place], -1
        if self.augment is not None:
            with _one_thread():
                image = self.augment(image, derive_seed(self.seed, "augment", phase, epoch, index))
        return torch.from_numpy(np.array(image, dtype=np.float32)), label, place


@contextmanager
def _one_thread() -> Iterator[None]:
    """For small tensors: two threads wait for each other longer than one computes (a fifth of the time, measured)."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
