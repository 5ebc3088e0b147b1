"""Features that may be far larger than memory, read block by block, and their mean and scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from shared.errors import DataError

BLOCK_VALUES = 1 << 24
"""Values of features that are in memory at once: 64 MiB as float32."""
SMALL_BLOCK = 256
"""Rows whose copies are made at a time: those of a whole block are slow to allocate, and take nine times as long."""


class FeatureSource(Protocol):
    """Features float [N, width] that are read block by block."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, width): number of rows, and number of features of each."""

    def block(self, start: int, stop: int) -> Tensor:
        """Reads rows `start` to `stop`, float [stop - start, width], on the device of the solver."""


@dataclass(frozen=True)
class InMemoryFeatures:
    """Features in memory.

    Attributes:
        features: float [N, width].
    """

    features: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, width): number of rows, and number of features of each."""
        return tuple(self.features.shape)

    def block(self, start: int, stop: int) -> Tensor:
        """Returns rows `start` to `stop` as a view, float [stop - start, width]."""
        return self.features[start:stop]


@dataclass(frozen=True)
class Standardiser:
    """Mean and scale by which features are standardised; the penalty applies to weights of standardised features.

    Attributes:
        mean: float [width], mean of each feature.
        scale: float [width], standard deviation of each feature; 1 where a feature hardly varies.
    """

    mean: Tensor
    scale: Tensor

    @classmethod
    def of(cls, features: FeatureSource) -> Standardiser:
        """Computes mean and scale of features in one pass, block by block.

        Args:
            features: float [N, width], at least one row.

        Raises:
            DataError: A value is not finite, or its square is not.
        """
        count, width = features.shape
        first = features.block(0, 1)
        total, squares = (torch.zeros(width, dtype=torch.float64, device=first.device) for _ in range(2))
        shift = first[0]  # keeps the squares small where a column lies far from 0
        for start, stop in bounds(features):
            for rows in torch.split(features.block(start, stop), SMALL_BLOCK):
                centred = rows - shift
                total += centred.sum(dim=0, dtype=torch.float64)
                squares += centred.square().sum(dim=0, dtype=torch.float64)
        broken = int((~(total + squares).isfinite()).sum())
        if broken:
            raise DataError(
                f"{broken} of {width} features have values that are not finite, or too large for float32; "
                "choose other weights or layers"
            )
        mean = total / count
        scale = (squares / count - mean.square()).clamp_min(0).sqrt()
        scale = torch.where(scale > 1e-6 * scale.max().clamp_min(1e-12), scale, torch.ones_like(scale))
        return cls((mean + shift).to(first.dtype), scale.to(first.dtype))


@dataclass(frozen=True)
class StandardisedFeatures:
    """Features that are standardised as they are read.

    Attributes:
        features: float [N, width].
        standardiser: Their mean and scale.
    """

    features: FeatureSource
    standardiser: Standardiser

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, width): number of rows, and number of features of each."""
        return self.features.shape

    def block(self, start: int, stop: int) -> Tensor:
        """Reads rows `start` to `stop`, float [stop - start, width], in the precision of the standardiser."""
        return (self.features.block(start, stop) - self.standardiser.mean).div_(self.standardiser.scale)


def bounds(features: FeatureSource, most: int | None = None) -> Iterator[tuple[int, int]]:
    """Divides features into consecutive blocks of rows.

    Args:
        features: float [N, width]; without rows there is no block.
        most: Most values of a block, which has one row at least; None: `BLOCK_VALUES`, which holds in any case.

    Yields:
        (start, stop) of each block, `stop` exclusive.
    """
    count, width = features.shape
    step = max(1, min(most or BLOCK_VALUES, BLOCK_VALUES) // width)
    return ((start, min(start + step, count)) for start in range(0, count, step))
