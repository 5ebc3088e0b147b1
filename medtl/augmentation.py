"""Augmentation: a preprocessed slice in other positions, and as other scanners, sequences and hospitals would show it.

Scanners differ in how tissue becomes brightness (field strength, T1, T2 or FLAIR weighting, contrast agent), how evenly
the coil receives, how fine the matrix is, and how much noise there is. A network that was trained while all of this
varied at random cannot take one scanner's look for a class.

The chains are of MONAI's transforms, with ours for what MONAI does not have. Training applies them to a batch at once
(`medtl.batched`); the names that end with `MONAI` run the library itself, image by image, at six times the cost.

Source: Billot et al., SynthSeg, Med. Image Anal. 86 (2023) 102789, section 3.2 (random contrast, bias and resolution).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from torch import Tensor

from medtl.batched.vary import vary
from medtl.chain import Chain
from medtl.random_contrast import GAMMA, RandomContrast
from medtl.strip import RandStripSkull
from shared.training.augmented import one_by_one

MONAI = "_monai"
"""End of the names under which MONAI itself runs."""
RESOLUTION_MM = (2.0, 5.0)
"""Pixel spacing of a slice of low resolution: from a volume at 2 mm to one whose thick slices were cut across."""
FIELD_MM = 220.0
"""Side of a preprocessed slice, roughly: a head of 200 mm with its margin."""


def augment(images: Tensor, seeds: Sequence[int], kind: str) -> Tensor:
    """Varies preprocessed slices at random; each result depends on the image, its seed and the kind alone.

    Args:
        images: float32 [n, 1, size, size], 0 to 1; or [n, 2, size, size], the second channel a mask of 0 and 1.
        seeds: Seed of each image, 0 to 2**32 - 1.
        kind: A name of `CHAINS`, or one followed by `MONAI`.

    Returns:
        float32 of the same shape, 0 to 1; a new tensor.
    """
    chain = chain_of(kind.removesuffix(MONAI), images.shape[-1])
    return one_by_one(chain)(images, seeds) if kind.endswith(MONAI) else vary(images, seeds, chain)


def chain_of(kind: str, size: int) -> Chain:
    """Returns the chain of a kind of augmentation, for the calling thread alone: its transforms hold a random state.

    Args:
        kind: A name of `CHAINS`.
        size: Side of the images in pixels.
    """
    return _chain_of_thread(kind, size, threading.get_ident())


@lru_cache(maxsize=32)
def _chain_of_thread(kind: str, size: int, thread: int) -> Chain:
    return CHAINS[kind](size)


def _random_affine(size: int, *, degrees: float = 15.0, scale: float = 0.1, shift: float = 0.05) -> Any:
    """MONAI's random transform that rotates, scales and shifts an image a little.

    Args:
        size: Side of the image in pixels.
        degrees: Largest rotation to either side.
        scale: Largest change of the scale of each axis, as a share.
        shift: Largest shift along each axis, as a share of the side.

    Returns:
        A `RandAffine` for arrays [1, size, size].
    """
    from monai.transforms import RandAffine

    return RandAffine(
        prob=0.75,
        rotate_range=float(np.deg2rad(degrees)),
        scale_range=(scale, scale),
        translate_range=(shift * size, shift * size),
        spatial_size=(size, size),
        mode="bilinear",
        padding_mode="zeros",
        cache_grid=True,
    )


def _usual(size: int) -> Chain:
    """Position, bias field, contrast and noise. Mirrored left to right but never top to bottom: heads come upright."""
    from monai.transforms import RandAdjustContrast, RandBiasField, RandGaussianNoise, RandHistogramShift

    # Contrast varies as between T1, T2 and FLAIR: with gamma of 0.75 to 1.35 and no change of the histogram, networks
    # took the contrast of a collection for the class (docs/lab-log.md, 2026-11-25).
    # Gaussian noise, clipped at 0, stands for Rician noise, from which it differs only near 0, at half the time.
    return Chain(
        [_random_affine(size)],
        [
            RandBiasField(prob=0.35, degree=2, coeff_range=(-0.15, 0.15)),
            RandAdjustContrast(prob=0.5, gamma=(0.4, 2.5)),
            RandHistogramShift(prob=0.35, num_control_points=(3, 8)),
            RandGaussianNoise(prob=0.35, std=0.04, sample_std=True),
        ],
    )


def _physics(size: int) -> Chain:
    """Position, contrast, bias field, resolution and noise, as between scanners."""
    from monai.transforms import (
        Identity,
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
            Identity(),
        ]
    )
    return Chain(
        [_random_affine(size)],
        [
            RandomContrast(),
            RandBiasField(prob=0.4, degree=3, coeff_range=(-0.2, 0.2)),
            sharpness,
            RandRicianNoise(prob=0.4, std=0.05, sample_std=True),
        ],
    )


def _hospitals(size: int) -> Chain:
    """What `_physics` varies, and further what hospitals and exports differ in.

    Slices may be stripped of the skull, turned by quarter turns (with mirroring: also top to bottom, as exports without
    geometry lie), or coarse as volumes at 2 mm; contrast, brightness, bias field and noise vary more.
    """
    from monai.transforms import (
        Identity,
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

    # Seldom besides a random curve: two changes in a row often leave nothing but the skull.
    contrast = OneOf(
        [
            Identity(),
            RandAdjustContrast(prob=1.0, gamma=(1.0 / GAMMA, 1.0)),
            RandAdjustContrast(prob=1.0, gamma=(1.0, GAMMA)),
            RandHistogramShift(prob=1.0, num_control_points=(4, 8)),
        ],
        weights=[0.7, 0.1, 0.08, 0.12],
    )
    coarse, fine = (min(1.0, FIELD_MM / (spacing * size)) for spacing in reversed(RESOLUTION_MM))
    sharpness = OneOf(
        [
            Identity(),
            RandGaussianSmooth(prob=1.0, sigma_x=(0.4, 1.3), sigma_y=(0.4, 1.3)),
            RandGibbsNoise(prob=1.0, alpha=(0.2, 0.6)),
            RandGaussianSharpen(prob=1.0, sigma1_x=(0.8, 1.2), sigma1_y=(0.8, 1.2), alpha=(1.0, 4.0)),
        ],
        weights=[0.55, 0.15, 0.15, 0.15],
    )
    moves = [
        RandStripSkull(),
        RandRotate90(prob=0.1, max_k=3),
        _random_affine(size, degrees=20.0, scale=0.12, shift=0.08),
    ]
    return Chain(
        moves,
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
        ],
    )


CHAINS: Mapping[str, Callable[[int], Chain]] = {
    "usual": _usual,
    "mri_physics": _physics,
    "mri_hospitals": _hospitals,
}
"""Makes the chain for images of a size in pixels, by the kind of augmentation."""
