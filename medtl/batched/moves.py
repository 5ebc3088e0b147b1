"""What changes the position of images, for a batch; masks in further channels follow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from medtl.strip import stripped


def strip(images: Tensor, rims: Sequence[float], transform: Any) -> Tensor:
    """Removes the rim of each head, one image after the other, as `medtl.strip.stripped` does.

    Args:
        images: float32 [n, channels, size, size].
        rims: Width of the rim of each.
        transform: Not used.
    """
    done = [stripped(image, rim) for image, rim in zip(images.cpu().numpy(), rims, strict=True)]
    return torch.from_numpy(np.stack(done)).to(images.device)


def quarter_turns(images: Tensor, turns: Sequence[int], transform: Any) -> Tensor:
    """Turns each image by its number of quarter turns, as MONAI's `Rotate90` does.

    Args:
        images: float32 [n, channels, size, size].
        turns: Number of quarter turns of each.
        transform: The `RandRotate90`, which says between which axes is turned.
    """
    first, second = (axis + 1 for axis in transform.spatial_axes)
    return torch.stack([image.rot90(turn, (first, second)) for image, turn in zip(images, turns, strict=True)])


def affine(images: Tensor, matrices: Sequence[Sequence[float]], transform: Any) -> Tensor:
    """Resamples each image by its affine matrix, as MONAI's `RandAffine` does.

    Args:
        images: float32 [n, channels, size, size].
        matrices: [n, 6] the first two rows of each matrix, from rows and columns of the result to those of the image,
            in pixels from the centre.
        transform: The `RandAffine`, which says how is interpolated, and what lies beyond an image.
    """
    size = images.shape[-1]
    down_down, down_right, down, right_down, right_right, right = (
        torch.tensor(matrices, dtype=torch.float64).to(torch.float32).to(images.device).T[..., None, None]
    )
    pixel = 2.0 / size
    places = (torch.arange(size, device=images.device, dtype=torch.float32) - (size - 1) / 2) * pixel
    rows, columns = places[:, None], places[None, :]
    # grid_sample takes columns first, in halves of the side from the centre
    grid = images.new_empty(len(images), 2, size, size)
    torch.add(right_right * columns, right_down * rows + right * pixel, out=grid[:, 0])
    torch.add(down_right * columns, down_down * rows + down * pixel, out=grid[:, 1])
    grid = grid.permute(0, 2, 3, 1)
    return grid_sample(images, grid, mode=transform.mode, padding_mode=transform.padding_mode, align_corners=False)
