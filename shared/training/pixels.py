"""Images as tensors on a device, moved there as they are stored: in batches, or all at once to stay there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shared.data.split import Chosen, Split
from shared.task import Image

MOVED_BYTES = 1 << 28
"""Bytes of images that are moved to a GPU at once."""
FREE_SHARE = 4
"""Training images stay on a GPU where they take no more than one part in so many of its free memory."""


@runtime_checkable
class ReadTogether(Protocol):
    """Images of which many are read at once, as they are stored."""

    def stored(self, indices: Sequence[int]) -> NDArray[Any]:
        """Reads the images at `indices`, [N, channels, size, size]: uint8, where 255 stands for 1, or float16."""


def stacked(images: Sequence[Image], indices: Sequence[int]) -> Tensor:
    """Stacks some images into a tensor on the CPU.

    Args:
        images: Images [channels, size, size] to choose from.
        indices: Indices of the images to stack, in order; at least one.

    Returns:
        [len(indices), channels, size, size]: uint8 or float16 as `images` are stored, else float32 in 0..1.
    """
    if isinstance(images, Chosen):
        return stacked(images.images, [images.indices[i] for i in indices])
    if isinstance(images, ReadTogether):
        return torch.from_numpy(images.stored(indices))
    return torch.from_numpy(np.stack([images[i] for i in indices]))


def unit_range(pixels: Tensor) -> Tensor:
    """Converts images to float32 in 0..1; uint8 is divided by 255."""
    return pixels.float() / 255 if pixels.dtype == torch.uint8 else pixels.float()


def batches_on(
    device: torch.device, images: Sequence[Image], indices: Sequence[int], size: int
) -> Iterator[tuple[list[int], Tensor]]:
    """Yields some images in batches on a device; many batches are moved to a GPU at once.

    Args:
        device: The device.
        images: Images [channels, height, width] to choose from.
        indices: Indices of the images, in the order of the batches.
        size: Images in a batch; the last one may be smaller.

    Yields:
        The indices of a batch, and its images, float32 in 0..1 on `device`.
    """
    at_once = size
    if device.type != "cpu" and len(indices):
        at_once = max(1, MOVED_BYTES // (size * stacked(images, indices[:1]).nbytes)) * size
    for first in range(0, len(indices), at_once):
        group = list(indices[first : first + at_once])
        pixels = stacked(images, group).to(device)
        for start in range(0, len(group), size):
            yield group[start : start + size], unit_range(pixels[start : start + size])


def free_bytes(device: torch.device) -> int:
    """Returns the free memory of a GPU; 0 where its kind does not say."""
    asked = getattr(torch.get_device_module(device), "mem_get_info", None)
    return 0 if asked is None else int(asked(device)[0])


class DevicePixels:
    """All images of a split on a device, as they are stored.

    Args:
        split: The images; where masks were read, their masks lie there too.
        device: The device.
    """

    def __init__(self, split: Split, device: torch.device) -> None:
        count, first = len(split.samples), stacked(split.images, [0])
        self.pixels = torch.empty(count, *first.shape[1:], dtype=first.dtype, device=device)
        side = (1, *first.shape[2:])
        self.masks = torch.empty(count, *side, dtype=torch.uint8, device=device) if split.masks else None
        step = max(1, MOVED_BYTES // max(1, first.nbytes))
        for start in range(0, count, step):
            rows = range(start, min(start + step, count))
            self.pixels[rows.start : rows.stop].copy_(stacked(split.images, rows))
            if self.masks is not None:
                self.masks[rows.start : rows.stop].copy_(_masks([split.masks[row] for row in rows], side))

    @staticmethod
    def bytes_of(split: Split) -> int:
        """Counts the bytes that the images of a split, and their masks, take on a device."""
        first = stacked(split.images, [0])
        return len(split.samples) * (first.nbytes + (first[0, 0].numel() if split.masks else 0))

    def take(self, indices: Sequence[int]) -> Tensor:
        """Takes some images, float32 [n, channels, size, size] in 0..1; a new tensor on the device.

        Args:
            indices: Indices in the split, in the order of the result.
        """
        return unit_range(self.pixels.index_select(0, self._places(indices)))

    def take_masks(self, indices: Sequence[int]) -> Tensor:
        """Takes the masks of some images, float32 [n, 1, size, size] of 0 and 1; 0 throughout where none is known.

        Args:
            indices: Indices in the split, in the order of the result.
        """
        if self.masks is None:
            return torch.zeros(len(indices), 1, *self.pixels.shape[2:], device=self.pixels.device)
        return self.masks.index_select(0, self._places(indices)).float()

    def _places(self, indices: Sequence[int]) -> Tensor:
        return torch.tensor(indices, dtype=torch.int64).to(self.pixels.device, non_blocking=True)


def _masks(masks: Sequence[NDArray[np.bool_] | None], side: tuple[int, ...]) -> Tensor:
    """Masks as bytes of 0 and 1, [N, *side] on the CPU; 0 throughout where one is not known."""
    found = torch.zeros(len(masks), *side, dtype=torch.uint8)
    for place, mask in enumerate(masks):
        if mask is not None:
            found[place, 0] = torch.from_numpy(mask)
    return found


def pixels_on(device: torch.device, splits: Sequence[Split]) -> list[DevicePixels] | None:
    """Puts all images of some splits on a GPU; None on a CPU, and where they take too much of its free memory.

    Args:
        device: The device of a training.
        splits: The splits, none of them empty.
    """
    if device.type == "cpu":
        return None
    if sum(map(DevicePixels.bytes_of, splits)) > free_bytes(device) // FREE_SHARE:
        return None
    return [DevicePixels(split, device) for split in splits]
