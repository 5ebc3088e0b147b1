"""Characters brought into one frame, the same for training and prediction; and variations of them by Albumentations."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from shared.errors import DataError
from shared.task import Image, Preprocessing

INK = 0.25
"""Share of the range above the paper from which a pixel counts as ink when the character's box is sought."""


def preprocess(pixels: NDArray[np.float32], spec: Preprocessing) -> Image:
    """Light ink on black paper, its box scaled into the frame: float32 [1, size, size] in 0..1.

    Raises:
        DataError: Not finite, or without any contrast.
    """
    grey = pixels.mean(axis=2) if pixels.ndim == 3 else pixels
    low, high = float(grey.min()), float(grey.max())
    if not np.isfinite([low, high]).all() or high <= low:
        raise DataError("the picture is blank or not finite")
    ink = (grey - low) / (high - low)
    border = np.concatenate([ink[0], ink[-1], ink[:, 0], ink[:, -1]])
    if np.median(border) > 0.5:
        ink = 1.0 - ink
    rows, columns = np.flatnonzero((ink > INK).any(axis=1)), np.flatnonzero((ink > INK).any(axis=0))
    box = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return _framed(box, spec.size, float(spec.options["margin"]))[None]


def _framed(box: NDArray[np.float32], size: int, margin: float) -> NDArray[np.float32]:
    inner = max(1, round(size * (1 - 2 * margin)))
    scale = inner / max(box.shape)
    height, width = max(1, round(box.shape[0] * scale)), max(1, round(box.shape[1] * scale))
    picture = PillowImage.fromarray(np.ascontiguousarray(box, dtype=np.float32))
    small = np.asarray(picture.resize((width, height), PillowImage.Resampling.BILINEAR), dtype=np.float32)
    frame = np.zeros((size, size), dtype=np.float32)
    top, left = (size - height) // 2, (size - width) // 2
    frame[top : top + height, left : left + width] = np.clip(small, 0, 1)
    return frame


def augment(image: Image, seed: int) -> Image:
    """A random variation of a character, a pure function of `image` [1, size, size] and `seed`."""
    variation = _variation()
    variation.set_random_seed(seed)
    varied: Image = np.clip(variation(image=image[0])["image"], 0, 1)[None].astype(np.float32)
    return varied


@lru_cache(maxsize=1)
def _variation() -> Any:
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask the network for a newer release
    import albumentations

    return albumentations.Compose(
        [
            albumentations.Affine(rotate=(-10, 10), shear=(-8, 8), scale=(0.9, 1.08), translate_percent=0.04, p=0.9),
            albumentations.ElasticTransform(alpha=12, sigma=5, p=0.4),
            albumentations.Morphological(scale=(2, 2), operation="dilation", p=0.15),
            albumentations.Morphological(scale=(2, 2), operation="erosion", p=0.15),
        ]
    )
