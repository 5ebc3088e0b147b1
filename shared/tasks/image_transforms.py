"""Pictures of any size as a network's input, and varied at random in batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from shared.errors import ConfigError, DataError
from shared.io.grey import check_pixels, to_grey
from shared.seeding import generator
from shared.task import Image, Preprocessing, PreprocessingOptions

if TYPE_CHECKING:
    from torch import Tensor

Pixels = NDArray[np.float32]
FITS = ("pad", "crop")
EIGHT_BITS, SIXTEEN_BITS = 255.0, 65535.0
DEGREES, SCALE, SHIFT, FACTOR, LIGHT = 10.0, 0.1, 0.05, 0.2, 0.1
"""Largest rotation, change of scale, shift as a share of the side, change of contrast, and change of brightness. Usual
values for pictures that keep their class upright; chosen, not measured."""


@dataclass(frozen=True)
class ImageOptions(PreprocessingOptions):
    """The options of an `ImageTask`'s preprocessing.

    Attributes:
        fit: How a picture fills the square: "pad" shows all of it, with the colour of its border beside it; "crop"
            cuts the largest square out of its middle.
    """

    fit: str = "pad"

    def __post_init__(self) -> None:
        if self.fit not in FITS:
            raise ConfigError(f"fit is {self.fit!r}; allowed are {' and '.join(FITS)}")


def preprocess(pixels: Pixels, spec: Preprocessing) -> Image:
    """Turns a picture into the network's input, in its own proportions.

    Args:
        pixels: Finite, [rows, columns] or [rows, columns, 3], 0 to 255, or 0 to 65535 where a value is above 255.
        spec: Side and channels of the result; its options are the fields of `ImageOptions`.

    Returns:
        float32 [channels, size, size], 0 to 1.

    Raises:
        DataError: `pixels` has another shape, or values outside of that range.
        ConfigError: An option does not exist, or its value is not allowed.
    """
    options = ImageOptions.of(spec.options)
    check_pixels(pixels)
    highest = float(pixels.max())
    if pixels.min() < 0 or highest > SIXTEEN_BITS:
        raise DataError(f"has values from {pixels.min():g} to {highest:g}; allowed are 0 to {SIXTEEN_BITS:g}")
    unit = pixels / np.float32(EIGHT_BITS if highest <= EIGHT_BITS else SIXTEEN_BITS)
    planes = [to_grey(unit)] if spec.channels == 1 else _planes(unit)
    square = _cropped if options.fit == "crop" else _padded
    return np.clip(np.stack([square(plane, spec.size) for plane in planes]), 0.0, 1.0)


def _planes(unit: Pixels) -> list[Pixels]:
    return [unit] * 3 if unit.ndim == 2 else [np.ascontiguousarray(unit[..., i]) for i in range(3)]


def _cropped(plane: Pixels, size: int) -> Pixels:
    side = min(plane.shape)
    top, left = ((length - side) // 2 for length in plane.shape)
    return _resized(plane[top : top + side, left : left + side], size, size)


def _padded(plane: Pixels, size: int) -> Pixels:
    scale = size / max(plane.shape)
    rows, columns = (min(size, max(1, round(length * scale))) for length in plane.shape)
    small = _resized(plane, rows, columns)
    border = np.concatenate([small[0], small[-1], small[:, 0], small[:, -1]])
    frame = np.full((size, size), np.median(border), dtype=np.float32)
    top, left = (size - rows) // 2, (size - columns) // 2
    frame[top : top + rows, left : left + columns] = small
    return frame


def _resized(plane: Pixels, rows: int, columns: int) -> Pixels:
    # Pillow widens the support when it reduces, so nothing aliases
    picture = PillowImage.fromarray(np.ascontiguousarray(plane, dtype=np.float32))
    return np.asarray(picture.resize((columns, rows), PillowImage.Resampling.BILINEAR), dtype=np.float32)


def augment(images: Tensor, seeds: Sequence[int], *, flip: bool) -> Tensor:
    """Varies position, size, contrast and brightness of each image by its seed, all images at once.

    Args:
        images: float32 [n, channels, size, size], 0 to 1.
        seeds: Seed of each image.
        flip: Whether every second image is mirrored left to right.

    Returns:
        float32 of the same shape, 0 to 1; a new tensor. What comes into view is the border, drawn out.
    """
    import torch
    from torch.nn.functional import affine_grid, grid_sample

    drawn = np.array([_drawn(seed, flip=flip) for seed in seeds], dtype=np.float32)
    numbers = torch.from_numpy(drawn).to(images.device)
    grid = affine_grid(numbers[:, :6].reshape(-1, 2, 3), list(images.shape), align_corners=False)
    moved = grid_sample(images, grid, padding_mode="border", align_corners=False)
    factor, light = numbers[:, 6, None, None, None], numbers[:, 7, None, None, None]
    mean = moved.mean(dim=(1, 2, 3), keepdim=True)
    return ((moved - mean) * factor + mean + light).clamp_(0.0, 1.0)


def _drawn(seed: int, *, flip: bool) -> list[float]:
    """The affine matrix of one image, row by row in halves of the side, its factor of contrast and its brightness."""
    draw = generator(seed, "picture").uniform(-1.0, 1.0, 7).tolist()
    angle, scale = np.deg2rad(DEGREES) * draw[0], 1.0 + SCALE * draw[1]
    mirror = -1.0 if flip and draw[6] > 0 else 1.0
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    shifts = 2 * SHIFT * draw[2], 2 * SHIFT * draw[3]
    return [mirror * cosine, -sine, shifts[0], mirror * sine, cosine, shifts[1], 1 + FACTOR * draw[4], LIGHT * draw[5]]
