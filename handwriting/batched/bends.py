"""Fields of smooth random shifts, which bend strokes, as Albumentations' `ElasticTransform` makes them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shared.augmentation.noise import normal_numbers


def bends(seeds: Sequence[int], size: int, sigma: float, strength: float, device: torch.device) -> Tensor:
    """Draws the shifts of the pixels of each image.

    Args:
        seeds: Seed of each image.
        size: Side of the images in pixels.
        sigma: Standard deviation of the smoothing, in pixels.
        strength: Factor of the smoothed numbers, the largest of which was 1 before they were smoothed.
        device: Where the result lies.

    Returns:
        float32 [n, 2, size, size]: the shifts of rows and columns in pixels.
    """
    numbers = normal_numbers((len(seeds), 2 * size, size), [(1.0, seed) for seed in seeds], device)
    numbers = numbers * (strength / numbers.abs().amax((1, 2), keepdim=True))
    # the library smooths both fields as one picture: the shifts of columns above those of rows
    down, along = (torch.from_numpy(_smoothing(side, sigma)).to(device) for side in (2 * size, size))
    return (down @ numbers @ along.T).reshape(-1, 2, size, size).flip(1)


@lru_cache(maxsize=32)
def _smoothing(side: int, sigma: float) -> NDArray[np.float32]:
    """float32 [side, side] the matrix that smooths a column; its ends are drawn out, as in the library."""
    kernel = cv2.getGaussianKernel(round(8 * sigma + 1) | 1, sigma)
    unit = np.eye(side, dtype=np.float32)
    return np.asarray(cv2.sepFilter2D(unit, -1, np.ones(1), kernel, borderType=cv2.BORDER_REPLICATE))
