"""Varies a batch of characters at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from handwriting.batched.bends import bends
from handwriting.batched.draws import Draws, draw
from handwriting.batched.pens import thickened, thinned
from handwriting.variation import USUAL, Variation
from shared.augmentation.resampling import resample
from shared.augmentation.rows import change_rows


def vary(images: Tensor, seeds: Sequence[int], variation: Variation = USUAL) -> Tensor:
    """Varies position, slant, bending and thickness of the pen with the distribution of Albumentations.

    An image comes out alike in every batch. One that is moved and bent is interpolated once, by the library twice: its
    strokes are a little sharper here.

    Args:
        images: float32 [n, 1, size, size], 0 to 1, on any device.
        seeds: Seed of each image, 0 to 2**32 - 1.
        variation: The shares and ranges.

    Returns:
        float32 of the same shape on the same device, 0 to 1; a new tensor.
    """
    size = images.shape[-1]
    drawn = draw(seeds, variation, size)
    varied = images.clone()
    bent = [row for row, seed in enumerate(drawn.bend_seeds) if seed is not None]
    rows = sorted({*np.flatnonzero(drawn.moved).tolist(), *bent})
    change_rows(varied, rows, _moved, drawn, rows, variation)
    width = variation.brush_pixels(size)
    change_rows(varied, np.flatnonzero(drawn.thicker).tolist(), thickened, width)
    change_rows(varied, np.flatnonzero(drawn.thinner).tolist(), thinned, width)
    return varied.clamp_(0.0, 1.0)


def _moved(images: Tensor, drawn: Draws, rows: Sequence[int], variation: Variation) -> Tensor:
    """Resamples the images of some rows by their matrices and bends."""
    size = images.shape[-1]
    bent = [(place, seed) for place, row in enumerate(rows) if (seed := drawn.bend_seeds[row]) is not None]
    shifts = images.new_zeros(len(images), 2, size, size)
    if bent:
        index = torch.tensor([place for place, _ in bent], device=images.device)
        sigma, strength = variation.sigma_pixels(size), variation.strength_pixels(size)
        shifts.index_copy_(0, index, bends([seed for _, seed in bent], size, sigma, strength, images.device))
    return resample(images, drawn.matrices[list(rows)], shifts)
