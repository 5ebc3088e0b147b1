"""Thicker and thinner strokes, as Albumentations' `Morphological` makes them."""

from __future__ import annotations

from functools import reduce

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad


def thickened(images: Tensor, width: int) -> Tensor:
    """Gives each pixel the largest value under a round brush.

    Args:
        images: float32 [n, 1, size, size]; beyond them is nothing.
        width: Width of the brush in pixels.
    """
    size, before = images.shape[-1], width // 2
    framed = pad(images, (before, width - 1 - before) * 2, value=-torch.inf)
    brush = np.argwhere(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width)))
    return reduce(torch.maximum, (framed[..., row : row + size, column : column + size] for row, column in brush))


def thinned(images: Tensor, width: int) -> Tensor:
    """Gives each pixel the smallest value under a round brush; arguments as for `thickened`."""
    return -thickened(-images, width)
