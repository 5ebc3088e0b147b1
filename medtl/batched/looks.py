"""What changes the brightness of images, for a batch: the arithmetic of MONAI's transforms, each image by its draws.

Every function takes images float32 [n, 1, size, size], what was drawn for each of them, and the transform that drew it,
and returns new images of the same shape. An image alone and in a batch comes out alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate, pad

from medtl.random_contrast import Curve, Power
from shared.augmentation.noise import normal_numbers

TRUNCATED = 4.0
"""Standard deviations at which a Gaussian ends, as in MONAI's `GaussianFilter`."""


def contrast(images: Tensor, drawn: Sequence[Power | Curve], transform: Any) -> Tensor:
    """Brings brightness to a power, or along a curve, as `RandomContrast` does."""
    values = images.clamp(0.0, 1.0)
    powers = {row: one.exponent for row, one in enumerate(drawn) if isinstance(one, Power)}
    curves = {row: one for row, one in enumerate(drawn) if isinstance(one, Curve)}
    if powers:
        rows = list(powers)
        values[rows] = values[rows] ** _each(list(powers.values()), images)
    if curves:
        rows = list(curves)
        values[rows] = _along(values[rows], [(one.old, one.new) for one in curves.values()])
    return values


def power(images: Tensor, exponents: Sequence[float], transform: Any) -> Tensor:
    """Brings brightness to a power between the least and the greatest of each image, as `AdjustContrast` does."""
    least, greatest = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    span = greatest - least
    return ((images - least) / (span + 1e-7)).pow_(_each(exponents, images)).mul_(span).add_(least)


def histogram(images: Tensor, curves: Sequence[tuple[Any, Any]], transform: Any) -> Tensor:
    """Bends the histogram between the least and the greatest of each image, as `RandHistogramShift` does."""
    least, greatest = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    span = greatest - least
    bent = _along((images - least) / span, curves).mul_(span).add_(least)
    return torch.where(span > 0, bent, images)


def scale(images: Tensor, factors: Sequence[float], transform: Any) -> Tensor:
    """Multiplies brightness by one more than a factor, as `ScaleIntensity` does."""
    return images * (1.0 + _each(factors, images))


def bias_field(images: Tensor, coefficients: Sequence[Sequence[float]], transform: Any) -> Tensor:
    """Multiplies by the exponential of a Legendre polynomial, as `RandBiasField` does."""
    degree, size = transform.degree, images.shape[-1]
    legendre = torch.from_numpy(_legendre(degree, size)).to(images.device)
    triangle = np.zeros((len(images), degree + 1, degree + 1), dtype=np.float32)
    triangle[(slice(None), *np.tril_indices(degree + 1))] = coefficients
    field = legendre @ torch.from_numpy(triangle).to(images.device) @ legendre.T
    return images * field.exp_()[:, None]


@lru_cache(maxsize=32)
def _legendre(degree: int, size: int) -> NDArray[np.float32]:
    """[size, degree + 1] the Legendre polynomials along an axis."""
    return np.polynomial.legendre.legvander(np.linspace(-1.0, 1.0, size), degree).astype(np.float32)


def low_resolution(images: Tensor, zooms: Sequence[float], transform: Any) -> Tensor:
    """Reduces and enlarges each image by a factor of its own, as `RandSimulateLowResolution` does."""
    size = images.shape[-1]
    result = torch.empty_like(images)
    for row, zoom in enumerate(zooms):
        small = interpolate(images[row : row + 1], max(1, round(size * zoom)), mode=transform.downsample_mode)
        result[row] = interpolate(small, size, mode=transform.upsample_mode, align_corners=transform.align_corners)[0]
    return result


def smooth(images: Tensor, sigmas: Sequence[tuple[float, float]], transform: Any) -> Tensor:
    """Smooths by a Gaussian along rows and columns, as `GaussianSmooth` does."""
    return _smoothed(images, np.array(sigmas))


def sharpen(images: Tensor, drawn: Sequence[tuple[float, float, float, float, float]], transform: Any) -> Tensor:
    """Adds what smoothing a smoothed image once more takes away, some times, as `GaussianSharpen` does."""
    numbers = np.array(drawn)
    once = _smoothed(images, numbers[:, :2])
    twice = _smoothed(once, numbers[:, 2:4])
    return once + _each(numbers[:, 4], images) * (once - twice)


def gibbs(images: Tensor, alphas: Sequence[float], transform: Any) -> Tensor:
    """Cuts high spatial frequencies off, as `GibbsNoise` does."""
    size = images.shape[-1]
    radii = (1.0 - np.asarray(alphas, dtype=np.float64)) * size * np.sqrt(2.0) / 2.0
    limits = torch.from_numpy(radii**2)[:, None, None]
    there, opposite = (torch.from_numpy(distances) <= limits for distances in _squared_distances(size))
    # MONAI's disc lies half a pixel off the zero frequency; of its complex image, only the real part stays
    share = (there.float() + opposite.float()).mul_(0.5)[:, None].to(images.device)
    return torch.fft.irfft2(torch.fft.rfft2(images) * share, s=(size, size))


@lru_cache(maxsize=32)
def _squared_distances(size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """[size, size // 2 + 1] from the middle of the shifted spectrum to each frequency, and to its opposite."""
    frequencies = np.arange(size)
    along, opposite = (((k + size // 2) % size - (size - 1) / 2) ** 2 for k in (frequencies, -frequencies))
    half = slice(size // 2 + 1)
    return along[:, None] + along[None, half], opposite[:, None] + opposite[None, half]


def rician_noise(images: Tensor, drawn: Sequence[tuple[float, int]], transform: Any) -> Tensor:
    """Adds Rician noise, as `RandRicianNoise` does; drawn are its standard deviation and a seed."""
    noise = _noise(images, drawn, 2)
    real, imaginary = noise[:, :1], noise[:, 1:]
    return (images + real).square_().addcmul_(imaginary, imaginary).sqrt_()


def gaussian_noise(images: Tensor, drawn: Sequence[tuple[float, int]], transform: Any) -> Tensor:
    """Adds Gaussian noise, as `RandGaussianNoise` does; drawn are its standard deviation and a seed."""
    return images + _noise(images, drawn, 1)


def _noise(images: Tensor, drawn: Sequence[tuple[float, int]], channels: int) -> Tensor:
    """[n, channels, size, size] normal numbers."""
    return normal_numbers((len(images), channels, *images.shape[2:]), drawn, images.device)


def _each(numbers: Sequence[float] | NDArray[np.float64], images: Tensor) -> Tensor:
    """[n, ..., 1, 1, 1] one number, or several, for each image."""
    return torch.from_numpy(np.asarray(numbers, dtype=np.float32)).to(images.device)[..., None, None, None]


def _along(values: Tensor, curves: Sequence[tuple[Any, Any]]) -> Tensor:
    """Follows one curve of straight pieces for each image, level beyond its ends: `np.interp` for a batch."""
    old, new = (_filled([curve[axis] for curve in curves]) for axis in (0, 1))
    lengths, rises = np.diff(old), np.diff(new)
    steepness = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0.0)
    starts, factors, heights = (_each(numbers, values) for numbers in (old, steepness, rises))
    result = _each(new[:, 0], values).expand_as(values).clone()
    share = torch.empty_like(values)
    for piece in range(lengths.shape[1]):
        torch.sub(values, starts[:, piece], out=share).mul_(factors[:, piece]).clamp_(0.0, 1.0)
        result.addcmul_(share, heights[:, piece])
    return result


def _filled(rows: Sequence[Any]) -> NDArray[np.float64]:
    """[rows, longest] rows of numbers, the shorter ones filled up with their last."""
    longest = max(len(row) for row in rows)
    filled = np.empty((len(rows), longest))
    for place, row in enumerate(rows):
        filled[place, : len(row)] = row
        filled[place, len(row) :] = row[-1]
    return filled


def _smoothed(images: Tensor, sigmas: NDArray[np.float64]) -> Tensor:
    """Smooths each image by its standard deviations along rows and columns [n, 2], in pixels; zero lies beyond."""
    size, tail = images.shape[-1], _tails(sigmas).max()
    weights = torch.from_numpy(_gaussians(sigmas, tail)).to(images.device)
    for axis, edges in ((0, (0, 0, tail, tail)), (1, (tail, tail, 0, 0))):
        framed, images = pad(images, edges), torch.zeros_like(images)
        for offset in range(2 * tail + 1):
            shifted = framed.narrow(2 + axis, offset, size)
            images.addcmul_(shifted, weights[:, axis, offset, None, None, None])
    return images


def _tails(sigmas: NDArray[np.float64]) -> NDArray[np.int64]:
    """Pixels from the middle of a Gaussian to its end."""
    return (np.maximum(sigmas * TRUNCATED, 0.5) + 0.5).astype(np.int64)


def _gaussians(sigmas: NDArray[np.float64], tail: int) -> NDArray[np.float32]:
    """[n, 2, 2 tail + 1] the share of a Gaussian that falls on each pixel; not normalised, as MONAI's is not."""
    offsets = torch.arange(-tail, tail + 1, dtype=torch.float64)
    narrow = torch.from_numpy(np.sqrt(0.5) / sigmas)[..., None]
    shares = 0.5 * ((narrow * (offsets + 0.5)).erf() - (narrow * (offsets - 0.5)).erf())
    inside = offsets.abs() <= torch.from_numpy(_tails(sigmas))[..., None]
    return np.asarray((shares * inside).float().numpy())
