"""Augmentation: a preprocessed character as other people would write it, and as it may be handed in.

Training varies a batch at once (`handwriting.batched`); the names that end with `ALBUMENTATIONS` run the library itself
image by image, which is imported here alone, and when it is first used.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
from torch import Tensor

from handwriting.batched.vary import vary
from handwriting.scenes import shown
from handwriting.variation import USUAL, Variation
from shared.seeding import derive_seed
from shared.task import Image
from shared.training.augmented import Augment, one_by_one

ALBUMENTATIONS = "_albumentations"
"""End of the names under which Albumentations itself runs."""


def augment(images: Tensor, seeds: Sequence[int], kind: str) -> Tensor:
    """Varies preprocessed characters at random; each result depends on the image, its seed and the kind alone.

    Args:
        images: float32 [n, 1, size, size], 0 to 1.
        seeds: Seed of each image, 0 to 2**32 - 1.
        kind: A name of `KINDS`.

    Returns:
        float32 of the same shape, 0 to 1; a new tensor.
    """
    return KINDS[kind](images, seeds)


def by_albumentations(image: Image, seed: int, variation: Variation = USUAL) -> Image:
    """Varies a character by Albumentations: position, slant, bending, thickness of the pen.

    Args:
        image: float32 [1, size, size], 0 to 1.
        seed: 0 to 2**32 - 1.
        variation: The shares and ranges.

    Returns:
        float32 [1, size, size], 0 to 1; a new array.
    """
    varied = image[0]
    for name, step in _steps(variation, image.shape[-1], threading.get_ident()):
        # A seed for each step: Albumentations' own `Compose` gives all its steps the same one, and with that the
        # same first number, so that thickening would only ever come together with bending.
        step.set_random_seed(derive_seed(seed, name))
        varied = step(image=varied)["image"]
    return np.clip(varied, 0.0, 1.0, dtype=np.float32)[np.newaxis]


@lru_cache(maxsize=32)
def _steps(variation: Variation, size: int, thread: int) -> tuple[tuple[str, Any], ...]:
    """Makes the steps of Albumentations; they hold their random state, so each thread has its own."""
    with _quiet_import():
        from albumentations import Affine, ElasticTransform, Morphological, OneOf

    affine = Affine(
        rotate=variation.degrees,
        shear={"x": variation.shear_x, "y": variation.shear_y},
        scale=variation.scale,
        translate_percent=variation.shift,
        p=variation.moved,
    )
    elastic = ElasticTransform(
        alpha=variation.strength_pixels(size), sigma=variation.sigma_pixels(size), p=variation.bent
    )
    brush = (variation.brush_pixels(size),) * 2
    pens = [Morphological(scale=brush, operation=operation, p=1.0) for operation in ("dilation", "erosion")]
    return ("affine", affine), ("elastic", elastic), ("thickness", OneOf(pens, p=variation.pen))


@contextmanager
def _quiet_import() -> Iterator[None]:
    """Keeps Albumentations from searching the network for a newer release when it is imported."""
    before = os.environ.get("NO_ALBUMENTATIONS_UPDATE")
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["NO_ALBUMENTATIONS_UPDATE"]
        else:
            os.environ["NO_ALBUMENTATIONS_UPDATE"] = before


KINDS: Mapping[str, Augment] = {
    "usual": vary,
    "scenes": one_by_one(shown),
    f"usual{ALBUMENTATIONS}": one_by_one(by_albumentations),
}
"""Varies a batch by a seed for each image, by the kind of augmentation."""
