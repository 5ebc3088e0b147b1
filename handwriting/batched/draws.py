"""What is drawn for each image of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from handwriting.variation import Range, Variation
from shared.seeding import derive_seed, generator

NUMBERS = 11
"""Numbers that are drawn for an image, whatever is done with them."""


@dataclass(frozen=True)
class Draws:
    """What is done to each image.

    Attributes:
        matrices: float64 [n, 6] the first two rows of the affine matrix from rows and columns of the result to those of
            the image, in pixels from the centre.
        moved: bool [n], whether the matrix is another than the identity.
        bend_seeds: Seed of the bending of each image; None: it is not bent.
        thicker: bool [n], whether the pen is thicker.
        thinner: bool [n], whether it is thinner.
    """

    matrices: NDArray[np.float64]
    moved: NDArray[np.bool_]
    bend_seeds: list[int | None]
    thicker: NDArray[np.bool_]
    thinner: NDArray[np.bool_]


def draw(seeds: Sequence[int], variation: Variation, size: int) -> Draws:
    """Draws for each image by its seed alone.

    Args:
        seeds: Seed of each image, 0 to 2**32 - 1.
        variation: The shares and ranges.
        size: Side of the images in pixels.
    """
    numbers = np.array([generator(seed, "pen").random(NUMBERS) for seed in seeds]).reshape(-1, NUMBERS).T
    moved, bent, pen = numbers[:3] < np.array([variation.moved, variation.bent, variation.pen])[:, None]
    thicker = numbers[3] < 0.5
    matrices = np.tile([1.0, 0.0, 0.0, 0.0, 1.0, 0.0], (len(seeds), 1))
    matrices[moved] = _matrices(numbers[4:, moved], variation, size)
    bends = [derive_seed(seed, "bend") if one else None for seed, one in zip(seeds, bent, strict=True)]
    return Draws(matrices, moved, bends, pen & thicker, pen & ~thicker)


def _matrices(numbers: NDArray[np.float64], variation: Variation, size: int) -> NDArray[np.float64]:
    """[n, 6] the matrices of numbers [7, n] from 0 to 1; scaled, turned, slanted, shifted, as by Albumentations."""
    degrees, shear_x, shear_y, scale_x, scale_y, shift_x, shift_y = (
        _within(row, limits)
        for row, limits in zip(
            numbers,
            (variation.degrees, variation.shear_x, variation.shear_y, *[variation.scale] * 2, *[variation.shift] * 2),
            strict=True,
        )
    )
    sine, cosine = np.sin(np.deg2rad(degrees)), np.cos(np.deg2rad(degrees))
    slant_x, slant_y = -np.tan(np.deg2rad(shear_x)), -np.tan(np.deg2rad(shear_y))
    # x and y of the result by those of the image; what is returned is the inverse, rows first
    xx, xy = (cosine - slant_x * sine) * scale_x, (sine + slant_x * cosine) * scale_y
    yx, yy = (slant_y * cosine - sine) * scale_x, (slant_y * sine + cosine) * scale_y
    x, y = np.trunc(shift_x * size), np.trunc(shift_y * size)
    found = [xx, -yx, yx * x - xx * y, -xy, yy, xy * y - yy * x]
    return np.stack(found, axis=1) / (xx * yy - xy * yx)[:, None]


def _within(numbers: NDArray[np.float64], limits: Range) -> NDArray[np.float64]:
    """Numbers from 0 to 1, brought between limits."""
    return limits[0] + (limits[1] - limits[0]) * numbers
