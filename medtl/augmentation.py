"""Augmentation by MRI physics: a preprocessed slice as other scanners, sequences and hospitals would show it.

Scanners differ in how tissue becomes brightness (field strength, T1, T2 or FLAIR weighting, contrast agent), how evenly
the coil receives, how fine the matrix is, and how much noise there is. A network that was trained while all of this
varied at random cannot take one scanner's look for a class.

Source: Billot et al., SynthSeg, Med. Image Anal. 86 (2023) 102789, section 3.2 (random contrast, bias and resolution).
"""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Any

import numpy as np

from medtl.random_transform import RandomTransform
from medtl.strip import RandStripSkull
from medtl.transforms import Chain, apply_chain, random_affine
from shared.task import Image

GAMMA = 2.2
"""Brightness is raised to at most this power, and at least its inverse; beyond, grey matter of T1 is black or white."""
KNOTS = (3, 7)
"""Number of points of a random curve from old to new brightness, ends included: from the first to below the second."""
AIR = 0.06
"""Brightness below which a pixel is background, which stays dark in every sequence."""
KEPT_SHARE = (0.2, 0.6)
"""Share of the old brightness that stays in a random curve."""
SHARES = {"kept": 0.4, "gamma": 0.2, "rising": 0.28, "any": 0.12}
"""Probability that contrast stays, is raised to a power, follows a rising curve, or follows any curve.

A rising curve keeps which tissue is brighter, so a finding keeps its sign. Any curve turns T1 into something like T2 or
FLAIR, and hides one finding or the other where two tissues become alike.
"""


RESOLUTION_MM = (2.0, 5.0)
"""Pixel spacing of a slice of low resolution: from a volume at 2 mm to one whose thick slices were cut across."""
FIELD_MM = 220.0
"""Side of a preprocessed slice, roughly: a head of 200 mm with its margin."""


def augment(image: Image, seed: int) -> Image:
    """Varies a preprocessed slice at random: position, contrast, bias field, resolution and noise.

    The same arguments always give the same result.

    Args:
        image: float32 [1, size, size], 0 to 1, or with a mask as `medtl.transforms.apply_chain` takes it.
        seed: Seed of the draws, 0 to 2**32 - 1.

    Returns:
        float32 of the same shape, 0 to 1; a new array.
    """
    return apply_chain(image, seed, _chain(image.shape[-1], threading.get_ident()))


def augment_hospitals(image: Image, seed: int) -> Image:
    """Varies a preprocessed slice as `augment` does, and further as hospitals and exports differ.

    Slices may be stripped of the skull, turned by quarter turns (with mirroring: also top to bottom, as exports without
    geometry lie), or coarse as volumes at 2 mm; contrast, brightness, bias field and noise vary more. The same
    arguments always give the same result.

    Args:
        image: float32 [1, size, size], 0 to 1, or with a mask as `medtl.transforms.apply_chain` takes it.
        seed: Seed of the draws, 0 to 2**32 - 1.

    Returns:
        float32 of the same shape, 0 to 1; a new array.
    """
    return apply_chain(image, seed, _hospitals(image.shape[-1], threading.get_ident()))


class RandomContrast(RandomTransform):
    """Transform that changes the relation between tissue and brightness at random."""

    def __call__(self, image: Any) -> Any:
        """Changes the contrast of an image of 0 to 1; shape and range stay, and background stays dark."""
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
def _chain(size: int, thread: int) -> Chain:
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
    return Chain(
        Compose([random_affine(size)]),
        Compose(
            [
                RandomContrast(),
                RandBiasField(prob=0.4, degree=3, coeff_range=(-0.2, 0.2)),
                sharpness,
                RandRicianNoise(prob=0.4, std=0.05, sample_std=True),
            ]
        ),
    )


@lru_cache(maxsize=32)
def _hospitals(size: int, thread: int) -> Chain:
    """What MONAI has is MONAI's; stripping and curves that turn tissues around it does not have."""
    from monai.transforms import (
        Compose,
        OneOf,
        RandAdjustContrast,
        RandBiasField,
        RandGaussianSharpen,
        RandGaussianSmooth,
        RandGibbsNoise,
        RandHistogramShift,
        RandRicianNoise,
        RandRotate90,
        RandScaleIntensity,
        RandSimulateLowResolution,
    )

    # Seldom besides a random curve: two changes in a row often leave nothing but the skull. No transform of ours in it,
    # because a `Compose` within the chain seeds MONAI's transforms alone.
    contrast = OneOf(
        [
            lambda image: image,
            RandAdjustContrast(prob=1.0, gamma=(1.0 / GAMMA, 1.0)),
            RandAdjustContrast(prob=1.0, gamma=(1.0, GAMMA)),
            RandHistogramShift(prob=1.0, num_control_points=(4, 8)),
        ],
        weights=[0.7, 0.1, 0.08, 0.12],
    )
    coarse, fine = (min(1.0, FIELD_MM / (spacing * size)) for spacing in reversed(RESOLUTION_MM))
    sharpness = OneOf(
        [
            lambda image: image,
            RandGaussianSmooth(prob=1.0, sigma_x=(0.4, 1.3), sigma_y=(0.4, 1.3)),
            RandGibbsNoise(prob=1.0, alpha=(0.2, 0.6)),
            RandGaussianSharpen(prob=1.0, sigma1_x=(0.8, 1.2), sigma1_y=(0.8, 1.2), alpha=(1.0, 4.0)),
        ],
        weights=[0.55, 0.15, 0.15, 0.15],
    )
    moves = [
        RandStripSkull(),
        RandRotate90(prob=0.1, max_k=3),
        random_affine(size, degrees=20.0, scale=0.12, shift=0.08),
    ]
    return Chain(
        Compose(moves),
        Compose(
            [
                RandSimulateLowResolution(
                    prob=0.25,
                    zoom_range=(coarse, fine),
                    downsample_mode="area",
                    upsample_mode="bilinear",
                    align_corners=False,
                ),
                RandBiasField(prob=0.4, degree=3, coeff_range=(-0.3, 0.3)),
                RandomContrast(),
                contrast,
                RandScaleIntensity(prob=0.4, factors=(-0.3, 0.15)),
                sharpness,
                RandRicianNoise(prob=0.35, std=0.08, sample_std=True),
            ]
        ),
    )
