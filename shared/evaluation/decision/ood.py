"""The out-of-distribution score of an input: how unlike the training images it is."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.errors import RunError
from shared.evaluation.statistics.groups import group_codes
from shared.io.atomic import COPY_AGAIN

FILE = "features.npy"
NEIGHBOUR = 10
"""Rank of the near training image that an input is compared with. Features of a fine-tuned SqueezeNet separate a knee
and a CT from heads best with it; it was chosen on the same images as are reported, so the reported rates flatter.
Source: docs/lab-log.md, "The out-of-distribution score"."""
REFERENCE_SIZE = 2048
"""Training images whose features are kept, drawn at random: some MiB. Source: Sun et al., section 5, find 1% enough."""

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Reference:
    """Features of training images.

    Attributes:
        features: float16 [M, width], of unit length.
    """

    features: NDArray[np.float16]

    @classmethod
    def of(cls, features: NDArray[np.floating]) -> Reference:
        """Makes the reference from features of training images.

        Args:
            features: Floats [M, width], as the network gives them, of any length; they are scaled to unit length.

        Returns:
            The reference, which holds all M of them.
        """
        return cls(_directions(features).astype(np.float16))

    @classmethod
    def read(cls, run: Path) -> Reference:
        """Reads the reference of a run from its `features.npy`.

        Args:
            run: The run folder.

        Raises:
            RunError: The file is missing or damaged, or does not hold features.
        """
        try:
            features = np.load(run / FILE, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise RunError(f"{run / FILE} cannot be read ({type(error).__name__}); {COPY_AGAIN}") from None
        if features.ndim != 2 or features.dtype != np.float16 or not len(features):
            raise RunError(f"{run / FILE} does not hold features; train again")
        return cls(features)

    @cached_property
    def _columns(self) -> NDArray[np.float32]:
        """The transposed features, float32 [width, M], converted once: products of float16 have no fast routine."""
        return np.ascontiguousarray(self.features.T, dtype=np.float32)

    def scores(self, features: NDArray[np.floating]) -> Values:
        """Computes the out-of-distribution scores of images from their features.

        A score is one minus the cosine to the training image whose features are `NEIGHBOUR`-th (tenth) nearest; to the
        farthest, where there are fewer.

        Args:
            features: Floats [N, width], as the network gives them.

        Returns:
            float64 [N], 0 to 2; high for images unlike the training images.
        """
        similar = _directions(features) @ self._columns
        nearest = min(NEIGHBOUR, len(self.features))
        return np.asarray(1.0 - np.partition(similar, -nearest, axis=1)[:, -nearest], dtype=np.float64)


def of_series(slices: Values) -> float:
    """Computes the out-of-distribution score of a series, 0 to 2: the median of the scores of its slices.

    By the median the first and last slices of a head, which are unlike the others, do not decide.

    Args:
        slices: float64 [slices], out-of-distribution score of each slice, at least one.
    """
    return float(np.median(slices))


def _directions(features: NDArray[np.floating]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    # features of zeros have no direction and are unlike everything
    return np.asarray(features / np.maximum(lengths, np.finfo(np.float32).tiny), dtype=np.float32)


MAX_SCORE = 2.0
"""The highest score: one minus the cosine of opposite features."""


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
