"""Forward passes over the images of a split outside of training."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from shared.data.split import Split
from shared.models.network import Network
from shared.training.pixels import batches_on, stacked, unit_range

EVALUATION_BATCH, EVALUATION_BYTES = 64, 1 << 26
"""Images of one forward pass outside of training at most, and their bytes as float32, which bound its maps."""


@torch.no_grad()
def predict_features(network: Network, split: Split, device: torch.device) -> Iterator[Tensor]:
    """Yields the features of all images of a split, block by block, float32 [n, width] on `device`.

    Args:
        network: The network; it is moved to `device` and left in evaluation mode.
        split: The images, in whose order the blocks come; their labels are not used.
        device: Device to compute on.
    """
    network.to(device).eval()
    for _, images in batches_on(device, split.images, range(len(split.samples)), images_at_once(split)):
        yield network.features(images)


def images_at_once(split: Split) -> int:
    """Counts the images of one forward pass outside of training, at least 1: `EVALUATION_BATCH`, fewer of large ones.

    Args:
        split: The images, all of one size.
    """
    largest = EVALUATION_BYTES // split.images[0].nbytes if split.samples else 1
    return max(1, min(EVALUATION_BATCH, largest))


def stack_images(split: Split, start: int, stop: int, device: torch.device) -> Tensor:
    """Stacks the images `start` to `stop` - 1 of a split, float32 [stop - start, channels, size, size] on a device.

    Args:
        split: The images.
        start: Index of the first image.
        stop: Index after the last image, above `start`.
        device: The device; images are moved there as they are stored.
    """
    pixels = stacked(split.images, range(start, stop))
    # from other memory a CUDA device copies only once it has done all that it was given
    pixels = pixels.pin_memory() if device.type == "cuda" else pixels
    return unit_range(pixels.to(device, non_blocking=True))
