"""Normal numbers for a batch, each image by a seed of its own."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


def normal_numbers(shape: tuple[int, ...], drawn: Iterable[tuple[float, int]], device: torch.device) -> Tensor:
    """Draws normal numbers on the CPU, so that they are the same on every device, and puts them on a device.

    Args:
        shape: [n, ...], the shape of the result.
        drawn: Standard deviation and seed of each of the n images.
        device: Where the result lies.

    Returns:
        float32 of that shape.
    """
    numbers = torch.empty(shape)
    generator = torch.Generator()
    for row, (std, seed) in enumerate(drawn):
        numbers[row].normal_(0.0, std, generator=generator.manual_seed(seed))
    return numbers.to(device)
