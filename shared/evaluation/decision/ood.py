"""The out-of-distribution score of an input: how unlike the training images it is."""

from __future__ import annotations

import io
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from shared.errors import RunError
from shared.evaluation.statistics.groups import group_codes
from shared.io.atomic import COPY_AGAIN, write_bytes

FILE = "features.npz"
NEIGHBOUR = 10
"""Rank of the near training image that an input is compared with."""
COMPONENTS = 32
"""Most principal components with a scale of their own. Source: docs/lab-log.md, "The out-of-distribution score"."""
IMAGES_EACH = 8
"""Training images that each component needs: the variances of few images are those of chance."""
LEAST_DEVIATION = 1e-3
"""Least standard deviation of a component: less, float16 features cannot tell from 0."""
REFERENCE_SIZE = 2048
"""Training images whose features are kept, drawn at random: some MiB. Source: Sun et al., section 5, find 1% enough."""
MAX_SCORE = 2.0
"""The highest score, that of an infinite distance."""

Values = NDArray[np.float64]
_ARRAYS: Mapping[str, tuple[type[np.generic], int]] = MappingProxyType(
    {
        "features": (np.float16, 2),
        "widths": (np.int64, 1),
        "mean": (np.float32, 1),
        "axes": (np.float32, 2),
        "deviations": (np.float32, 1),
        "scale": (np.float32, 0),
    }
)
"""The arrays of the file: the fields of `Reference`, each with its type and number of dimensions."""


@dataclass(frozen=True)
class Reference:
    """Features of training images, and the space in which inputs are compared with them.

    The features of each layer are compared by their direction, so that all layers count alike: those of the last one
    are long and know findings, those of an early one know what is another thing altogether.

    Attributes:
        features: float16 [M, width], of unit length.
        widths: int64 [layers], number of features of each layer. Features after them are not compared.
        mean: float32 [width], mean direction of the training images, layer by layer.
        axes: float32 [components, width], principal axes of the directions, orthonormal.
        deviations: float32 [components], standard deviation along each axis, above 0. The least of them is that of all
            other directions.
        scale: float32, root mean square distance of a training image from the mean, above 0.
    """

    features: NDArray[np.float16]
    widths: NDArray[np.int64]
    mean: NDArray[np.float32]
    axes: NDArray[np.float32]
    deviations: NDArray[np.float32]
    scale: NDArray[np.float32]

    @classmethod
    def of(cls, features: NDArray[np.floating], widths: Sequence[int] | None = None) -> Reference:
        """Makes the reference from features of training images.

        Args:
            features: Floats [M, width], as the network gives them, of any length; at least one image.
            widths: Number of features of each layer, in their order; features after them are not compared. None: all
                are of one layer.

        Returns:
            The reference, which holds all M of them.
        """
        layers = np.array([features.shape[1]] if widths is None else widths, dtype=np.int64)
        kept = _directions(features, np.array([features.shape[1]])).astype(np.float16)
        directions = _directions(kept, layers)
        mean = directions.mean(axis=0)
        axes, deviations = _components(directions - mean)
        plain = cls(kept, layers, mean, axes, deviations, np.ones((), dtype=np.float32))
        scale = np.sqrt((plain._places**2).sum(axis=0).mean())
        return replace(plain, scale=np.array(scale if scale > 0 else 1.0, dtype=np.float32))

    @classmethod
    def read(cls, run: Path) -> Reference:
        """Reads the reference of a run from its `features.npz`.

        Args:
            run: The run folder.

        Raises:
            RunError: The file is missing or damaged, or does not hold features.
        """
        try:
            with (run / FILE).open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in _ARRAYS}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, BadZipFile) as error:
            raise RunError(f"{run / FILE} cannot be read ({type(error).__name__}); {COPY_AGAIN}") from None
        if not _fit(arrays):
            raise RunError(f"{run / FILE} does not hold features; train again")
        return cls(**arrays)

    def write(self, run: Path, *, compressed: bool = False) -> None:
        """Writes the reference into a run folder as `features.npz`, whole or not at all.

        Args:
            run: The run folder.
            compressed: Whether it takes a fourth of the room, without loss, and longer to read.
        """
        stream = io.BytesIO()
        save = np.savez_compressed if compressed else np.savez
        save(stream, **{name: getattr(self, name) for name in _ARRAYS})
        write_bytes(run / FILE, stream.getvalue())

    def joined(self, features: NDArray[np.floating]) -> Reference:
        """Adds features of images of a new class, each `NEIGHBOUR` times, so that one is enough to be near to.

        Args:
            features: Floats [k, width], as the network gives them.
        """
        added = _directions(features, np.array([features.shape[1]])).astype(np.float16)
        return replace(self, features=np.concatenate([self.features, np.repeat(added, NEIGHBOUR, axis=0)]))

    @cached_property
    def _places(self) -> NDArray[np.float32]:
        """The training images as `_placed` gives them, float32 [width, M], computed once."""
        return np.ascontiguousarray(self._placed(self.features).T)

    @cached_property
    def _squares(self) -> NDArray[np.float32]:
        """The squared length of each of `_places`, float32 [M], computed once."""
        return np.asarray((self._places**2).sum(axis=0))

    def _placed(self, features: NDArray[np.floating]) -> NDArray[np.float32]:
        """Places features in the space where every direction has unit variance, float32 [N, width]."""
        centred = _directions(features, self.widths) - self.mean
        rest = 1.0 / self.deviations.min()
        along = (centred @ self.axes.T) * (1.0 / self.deviations - rest)
        return np.asarray(centred * rest + along @ self.axes, dtype=np.float32)

    def scores(self, features: NDArray[np.floating]) -> Values:
        """Computes the out-of-distribution scores of images from their features.

        With d the distance to the training image that is `NEIGHBOUR`-th (tenth) nearest, or to the farthest where there
        are fewer, the score is 2 d / (d + `scale`). Distances are in standard deviations of the training images.

        Args:
            features: Floats [N, width], as the network gives them.

        Returns:
            float64 [N], 0 to 2; high for images unlike the training images.

        Source: Sun et al., arXiv 2204.06507 (k-th nearest neighbour); Lee et al., arXiv 1807.03888 (distances by the
        covariance of training images, features of early layers too).
        """
        placed, places = self._placed(features), self._places
        squared = (placed**2).sum(axis=1)[:, np.newaxis] + self._squares - 2.0 * (placed @ places)
        nearest = min(NEIGHBOUR, places.shape[1])
        distances = np.sqrt(np.maximum(np.partition(squared, nearest - 1, axis=1)[:, nearest - 1], 0.0))
        return np.asarray(MAX_SCORE * distances / (distances + self.scale), dtype=np.float64)


def of_series(slices: Values) -> float:
    """Computes the out-of-distribution score of a series, 0 to 2: the median of the scores of its slices.

    By the median the first and last slices, which are unlike the others, do not decide.

    Args:
        slices: float64 [slices], out-of-distribution score of each slice, at least one.
    """
    return float(np.median(slices))


def _directions(features: NDArray[np.floating], widths: NDArray[np.int64]) -> NDArray[np.float32]:
    """Scales the features of each layer to unit length, float32 [N, width]; features of no layer become 0."""
    scaled = np.zeros(features.shape, dtype=np.float32)
    ends = np.cumsum(widths).tolist()
    for start, end in zip([0, *ends], ends, strict=False):
        part = np.asarray(features[:, start:end], dtype=np.float32)
        lengths = np.linalg.norm(part, axis=1, keepdims=True)
        # features of zeros have no direction
        scaled[:, start:end] = part / np.maximum(lengths, np.finfo(np.float32).tiny)
    return scaled


def _components(centred: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Principal axes [components, width] of M centred rows, and the standard deviation along each."""
    from scipy.linalg import eigh  # training alone needs it, and prediction starts without

    images, width = centred.shape
    count = min(COMPONENTS, width, max(1, images // IMAGES_EACH))
    covariance = centred.T @ centred / images if width <= images else centred @ centred.T / images
    size = len(covariance)
    variances, vectors = eigh(covariance.astype(np.float64), subset_by_index=[size - count, size - 1])
    deviations = np.sqrt(np.maximum(variances, 0.0))
    axes = (
        vectors.T
        if width <= images
        else vectors.T @ centred / np.maximum(deviations * np.sqrt(images), 1e-12)[:, np.newaxis]
    )
    # next to 0 float32 is denormal, and products with that take thirty times as long
    axes = np.where(np.abs(axes) < np.finfo(np.float32).eps ** 2, 0.0, axes)
    return axes.astype(np.float32), np.maximum(deviations, LEAST_DEVIATION).astype(np.float32)


def _fit(arrays: Mapping[str, NDArray[Any]]) -> bool:
    """Whether arrays have the types, dimensions, shapes and values of a reference."""
    if any(arrays[name].dtype != kind or arrays[name].ndim != ndim for name, (kind, ndim) in _ARRAYS.items()):
        return False
    features, axes, widths, deviations = (arrays[name] for name in ("features", "axes", "widths", "deviations"))
    images, width = features.shape
    shapes = axes.shape == (len(deviations), width) and arrays["mean"].shape == (width,)
    layers = len(widths) > 0 and bool((widths > 0).all()) and int(widths.sum()) <= width
    positive = bool((deviations > 0).all()) and bool(arrays["scale"] > 0)
    return bool(images and len(deviations) and shapes and layers and positive)


def by_series(slices: Values, series: Sequence[Hashable]) -> Values:
    """Computes the out-of-distribution score of each series.

    Args:
        slices: float64 [N], out-of-distribution scores of images.
        series: [N] series of each image.

    Returns:
        float64 [series], 0 to 2, in the order in which series first occur.
    """
    owners = group_codes(series)
    bounds = np.cumsum(np.bincount(owners))[:-1]
    return np.array([of_series(own) for own in np.split(slices[np.argsort(owners, kind="stable")], bounds)])
