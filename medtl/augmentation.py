"""Random variations of a preprocessed slice as other scanners and sequences would show it.

What differs between scanners is how tissue becomes brightness (field strength, T1, T2 or FLAIR weighting, contrast
agent), how evenly the coil receives, how fine the matrix is, and how much noise there is. A network that saw all of it
vary at random cannot take one scanner's look for a class.

Source: Billot et al., SynthSeg, Med. Image Anal. 86 (2023) 102789, section 3.2 (random contrast, bias and resolution).
"""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Any

import numpy as np

from medtl.transforms import in_another_place, vary
from shared.task import Image

GAMMA = 2.2
"""Contrast is raised to at most this power, or its inverse; beyond, grey matter of T1 is black or white."""
KNOTS = (3, 7)
"""Points of a random curve from old to new brightness, ends included, fewest and one more than most."""
AIR = 0.06
"""Below this is background, which stays dark in every sequence."""
KEPT_SHARE = (0.2, 0.6)
"""Share of the old brightness that stays in a random curve."""
SHARES = {"kept": 0.4, "gamma": 0.2, "rising": 0.28, "any": 0.12}
"""How often contrast stays, is raised to a power, follows a rising curve, or any curve.

A rising curve keeps which tissue is brighter, so a finding keeps its sign. Any curve turns T1 into something like T2 or
FLAIR, and hides one finding or the other where two tissues become alike.
"""


def augment(image: Image, seed: int) -> Image:
    """A random variation of a preprocessed slice: position, contrast, bias field, resolution and noise.

    A pure function of its arguments.

    Args:
        image: float32 [1, size, size], 0 to 1.
        seed: 0 to 2**32 - 1.

    Returns:
        float32 [1, size, size], 0 to 1; a new array.
    """
    return vary(image, seed, _chain(image.shape[-1], threading.get_ident()))


class RandomContrast:
    """Another relation between tissue and brightness, drawn anew for every image; a transform as MONAI's are."""

    def __init__(self) -> None:
        self.random = np.random.RandomState()

    def set_random_state(self, seed: int | None = None, state: np.random.RandomState | None = None) -> RandomContrast:
        """Takes over a source of randomness, as MONAI's transforms do."""
        self.random = np.random.RandomState(seed) if state is None else state
        return self

    def __call__(self, image: Any) -> Any:
        """Image of the same shape and range; background stays dark."""
        kind = self.random.choice(list(SHARES), p=list(SHARES.values()))
        if kind == "kept":
            return image
        values = np.clip(np.asarray(image, dtype=np.float32), 0.0, 1.0)
        if kind == "gamma":
            return values ** np.float32(GAMMA ** self.random.uniform(-1.0, 1.0))
        return self._curve(rising=kind == "rising")(values)

    def _curve(self, *, rising: bool) -> Any:
        count = int(self.random.randint(*KNOTS))
        old = np.concatenate([[AIR], np.sort(self.random.uniform(AIR, 1.0, count - 2)), [1.0]])
        new = self.random.random_sample(count)
        if rising:
            new = np.sort(new)
        # a curve that is flat where most tissue lies would leave nothing to see
        kept = self.random.uniform(*KEPT_SHARE)
        new = kept * old + (1.0 - kept) * new
        new = AIR + (1.0 - AIR) * (new - new.min()) / float(np.ptp(new))
        xs, ys = np.concatenate([[0.0], old]), np.concatenate([[0.0], new])
        return lambda values: np.interp(values, xs, ys).astype(np.float32)


@lru_cache(maxsize=32)
def _chain(size: int, thread: int) -> Any:
    """MONAI's transforms hold their random state, so each thread has a chain of its own."""
    from monai.transforms import (
        Compose,
        OneOf,
        RandBiasField,
        RandGaussianSharpen,
        RandGaussianSmooth,
        RandGibbsNoise,
        RandRicianNoise,
        RandSimulateLowResolution,
    )

    low_resolution = RandSimulateLowResolution(
        prob=1.0, zoom_range=(0.4, 0.9), downsample_mode="area", upsample_mode="bilinear", align_corners=False
    )
    sharpness = OneOf(
        [
            low_resolution,
            RandGaussianSmooth(prob=1.0, sigma_x=(0.4, 1.3), sigma_y=(0.4, 1.3)),
            RandGibbsNoise(prob=1.0, alpha=(0.2, 0.6)),
            RandGaussianSharpen(prob=1.0, sigma1_x=(0.8, 1.2), sigma1_y=(0.8, 1.2), alpha=(1.0, 4.0)),
            lambda image: image,
        ]
    )
    return Compose(
        [
            in_another_place(size),
            RandomContrast(),
            RandBiasField(prob=0.4, degree=3, coeff_range=(-0.2, 0.2)),
            sharpness,
            RandRicianNoise(prob=0.4, std=0.05, sample_std=True),
        ]
    )
