"""What each random transform draws for one image, and what does the same to a batch.

Probabilities, ranges and draws are MONAI's own: its transforms are asked to draw, and their numbers are read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from torch import Tensor

from medtl.batched import looks, moves
from medtl.random_contrast import RandomContrast
from medtl.strip import RandStripSkull

SEEDS = 2**32 - 1
"""Seeds of noise lie below this."""


@dataclass(frozen=True)
class Step:
    """A kind of transform, as a batch gets it.

    Attributes:
        draw: Lets a transform draw for an image of a size in pixels, and returns what `apply` needs; None: the image
            stays as it is.
        apply: Given images float32 [n, channels, size, size], what was drawn for each, and the transform, returns new
            images of the same shape.
    """

    draw: Callable[[Any, int], Any]
    apply: Callable[[Tensor, Sequence[Any], Any], Tensor]


@dataclass(frozen=True)
class Drawn:
    """What is done to one image at one place of a chain.

    Attributes:
        transform: The transform; inside MONAI's `OneOf` the one that was drawn.
        values: What it drew, for `Step.apply`.
    """

    transform: Any
    values: Any


def draw(transform: Any, size: int) -> Drawn | None:
    """Lets a transform draw for one image, from the random state that it has.

    Args:
        transform: A transform of a kind in `steps`, or MONAI's `OneOf` of such.
        size: Side of the image in pixels.

    Returns:
        What is done to the image; None: it stays as it is.

    Raises:
        KeyError: There is no batched form of this kind of transform.
    """
    if hasattr(transform, "weights"):
        chosen = transform.transforms[transform.R.multinomial(1, transform.weights).argmax()]
        return draw(chosen, size)
    values = steps()[type(transform)].draw(transform, size)
    return None if values is None else Drawn(transform, values)


@lru_cache(maxsize=1)
def steps() -> Mapping[type, Step]:
    """The batched forms, by the class of the transform."""
    from monai import transforms as monai

    return {
        monai.Identity: Step(lambda *_: None, lambda images, *_: images),
        monai.RandAdjustContrast: Step(_reading("gamma_value"), looks.power),
        monai.RandAffine: Step(_affine, moves.affine),
        monai.RandBiasField: Step(_bias_field, looks.bias_field),
        monai.RandGaussianNoise: Step(_noise, looks.gaussian_noise),
        monai.RandGaussianSharpen: Step(_reading("x1", "y1", "x2", "y2", "a"), looks.sharpen),
        monai.RandGaussianSmooth: Step(_reading("x", "y"), looks.smooth),
        monai.RandGibbsNoise: Step(_reading("sampled_alpha"), looks.gibbs),
        monai.RandHistogramShift: Step(
            _reading("reference_control_points", "floating_control_points"), looks.histogram
        ),
        monai.RandRicianNoise: Step(_noise, looks.rician_noise),
        monai.RandRotate90: Step(_reading("_rand_k"), moves.quarter_turns),
        monai.RandScaleIntensity: Step(_reading("factor"), looks.scale),
        monai.RandSimulateLowResolution: Step(_reading("zoom_factor"), looks.low_resolution),
        RandStripSkull: Step(lambda transform, _: transform.draw(), moves.strip),
        RandomContrast: Step(lambda transform, _: transform.draw(), looks.contrast),
    }


def _reading(*names: str) -> Callable[[Any, int], Any]:
    """A draw that MONAI's `randomize` makes, read from attributes; one alone, or several as a tuple."""

    def drawn(transform: Any, size: int) -> Any:
        transform.randomize(None)
        if not transform._do_transform:
            return None
        values = tuple(getattr(transform, name) for name in names)
        return values if len(names) > 1 else values[0]

    return drawn


def _bias_field(transform: Any, size: int) -> Any:
    transform.randomize((size, size))
    return transform._coeff if transform._do_transform else None


def _affine(transform: Any, size: int) -> Any:
    """The first two rows of the matrix: rotation of what was shifted after it was scaled."""
    transform.randomize()
    if not transform._do_transform:
        return None
    grid = transform.rand_affine_grid
    grid.randomize()  # MONAI draws twice, and takes the second
    (angle,), shift, (down, right) = grid.rotate_params, grid.translate_params, grid.scale_params
    sine, cosine = math.sin(angle), math.cos(angle)
    return (
        *(cosine * down, -sine * right, cosine * shift[0] - sine * shift[1]),
        *(sine * down, cosine * right, sine * shift[0] + cosine * shift[1]),
    )


def _noise(transform: Any, size: int) -> Any:
    """The standard deviation, and a seed for noise that is drawn where the images are."""
    from monai.transforms import RandomizableTransform

    # the transform's own `randomize` draws the noise too
    RandomizableTransform.randomize(transform, None)
    if not transform._do_transform:
        return None
    std = transform.R.uniform(0, transform.std) if transform.sample_std else transform.std
    return std, int(transform.R.randint(SEEDS))
