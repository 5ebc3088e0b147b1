"""Training images as a torch dataset of batches, augmented at random by a seed for each image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from shared.data.split import Split
from shared.seeding import derive_seed
from shared.task import Image
from shared.training.pixels import DevicePixels

Augment = Callable[[Tensor, Sequence[int]], Tensor]
"""Varies images float32 [n, channels, size, size] by a seed for each, into a new tensor of the same shape."""
Key = tuple[int, int, int]
"""Phase, epoch and index of an image."""


class Augmented(TorchDataset[tuple[Tensor, Tensor, Tensor, Tensor | None]]):
    """Dataset of the labelled and unlabelled training images; each draw depends on (seed, phase, epoch, index) alone.

    Args:
        split: The labelled images.
        unlabelled: Further images, whose labels are not read; None: there are none.
        augment: Varies a batch of images; None: images stay as they are.
        seed: Seed of the job.
        pixels: The images of `split`, and of `unlabelled` where there are such, on a device, where they are then varied
            too; None: they are read and varied on the CPU.
        plain: Whether the unlabelled images of a batch are also given as they are.
    """

    def __init__(
        self,
        split: Split,
        unlabelled: Split | None,
        augment: Augment | None,
        seed: int,
        pixels: Sequence[DevicePixels] | None = None,
        *,
        plain: bool = False,
    ) -> None:
        self.split, self.unlabelled, self.augment, self.seed, self.pixels = split, unlabelled, augment, seed, pixels
        self.plain = plain

    def __getitem__(self, keys: Sequence[Key]) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Returns a batch: images float32 [n, channels, size, size], labels and places in their split, int64 [n].

        And the unlabelled images among them as they are, float32; None where these are not wanted. Where masks were
        read, an image has one channel more: its mask, 0 throughout where that is not known. Images lie where `pixels`
        do, else on the CPU, where labels and places always are.

        Args:
            keys: The images, the labelled ones first. Indices from the size of the labelled split on count the
                unlabelled images, whose label is -1.
        """
        places = [self._place(index) for _, _, index in keys]
        images = self._images([index for _, _, index in keys])
        plain = images[sum(self._is_labelled(index) for _, _, index in keys) :] if self.plain else None
        if self.augment is not None:
            images = self.augment(images, [derive_seed(self.seed, "augment", *key) for key in keys])
        labels = [int(self.split.labels[index]) if self._is_labelled(index) else -1 for _, _, index in keys]
        return images, torch.tensor(labels), torch.tensor(places), plain

    def _is_labelled(self, index: int) -> bool:
        return index < len(self.split.samples)

    def _place(self, index: int) -> int:
        """The place of an image in its split."""
        return index if self._is_labelled(index) else index - len(self.split.samples)

    def _images(self, indices: Sequence[int]) -> Tensor:
        """Images as they are, float32 [n, channels, size, size]."""
        if self.pixels is None:
            return torch.from_numpy(np.stack([self._image(index) for index in indices], dtype=np.float32))
        labelled = [index for index in indices if self._is_labelled(index)]
        parts = [labelled, [self._place(index) for index in indices[len(labelled) :]]]
        return torch.cat([self._taken(one, part) for one, part in zip(self.pixels, parts, strict=False) if part])

    def _taken(self, pixels: DevicePixels, places: Sequence[int]) -> Tensor:
        """Images of one split on the device, with their masks where masks were read."""
        images = pixels.take(places)
        return torch.cat([images, pixels.take_masks(places)], dim=1) if self.split.masks else images

    def _image(self, index: int) -> Image:
        """An image as it is, with its mask as a further channel where masks were read."""
        split = self.split if self._is_labelled(index) else self.unlabelled
        assert split is not None  # else no such index is drawn
        image = split.images[self._place(index)]
        return np.concatenate([image, self._mask(index, image)]) if self.split.masks else image

    def _mask(self, index: int, image: Image) -> Image:
        """The mask of an image, as a channel of 0 and 1."""
        mask = self.split.masks[index] if self._is_labelled(index) else None
        return np.zeros((1, *image.shape[1:]), dtype=np.float32) if mask is None else mask[None].astype(np.float32)


def one_by_one(augment: Callable[[Image, int], Image]) -> Augment:
    """Makes the augmentation of a batch from that of one image.

    Args:
        augment: Varies an image float32 [channels, size, size] by a seed.
    """

    def varied(images: Tensor, seeds: Sequence[int]) -> Tensor:
        with _one_thread():
            done = [augment(image, seed) for image, seed in zip(images.cpu().numpy(), seeds, strict=True)]
        return torch.from_numpy(np.stack(done)).to(images.device)

    return varied


@contextmanager
def _one_thread() -> Iterator[None]:
    """Limits torch to one thread: on small tensors that takes a fifth of the time (measured once, not recorded)."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
