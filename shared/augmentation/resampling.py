"""Resamples each image of a batch by an affine matrix of its own, and by a field of shifts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import grid_sample


def resample(
    images: Tensor,
    matrices: Sequence[Sequence[float]] | NDArray[np.float64],
    shifts: Tensor | None = None,
    *,
    mode: Any = "bilinear",
    padding_mode: Any = "zeros",
) -> Tensor:
    """Looks up each pixel of the result where its matrix says, after it was shifted; interpolates once.

    Args:
        images: float32 [n, channels, size, size].
        matrices: [n, 6] the first two rows of each matrix, from rows and columns of the result to those of the image,
            in pixels from the centre.
        shifts: float32 [n, 2, size, size] on the device of the images, in pixels: added to the rows and columns of the
            result before its matrix counts; None: there are none.
        mode: How torch's `grid_sample` interpolates.
        padding_mode: What it finds beyond an image.

    Returns:
        float32 of the same shape; a new tensor.
    """
    size = images.shape[-1]
    down_down, down_right, down, right_down, right_right, right = (
        torch.tensor(matrices, dtype=torch.float64).to(torch.float32).to(images.device).T[..., None, None]
    )
    pixel = 2.0 / size
    places = (torch.arange(size, device=images.device, dtype=torch.float32) - (size - 1) / 2) * pixel
    rows, columns = places[:, None], places[None, :]
    if shifts is not None:
        rows, columns = rows + shifts[:, 0] * pixel, columns + shifts[:, 1] * pixel
    # grid_sample takes columns first, in halves of the side from the centre
    grid = images.new_empty(len(images), 2, size, size)
    torch.add(right_right * columns, right_down * rows + right * pixel, out=grid[:, 0])
    torch.add(down_right * columns, down_down * rows + down * pixel, out=grid[:, 1])
    return grid_sample(images, grid.permute(0, 2, 3, 1), mode=mode, padding_mode=padding_mode, align_corners=False)
