"""What changes the position of images, for a batch; masks in further channels follow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medtl.strip import stripped
from shared.augmentation.resampling import resample


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
    return resample(images, matrices, mode=transform.mode, padding_mode=transform.padding_mode)
