"""A preconditioner for linear heads: the covariance of the features, exact along its largest axes, level beyond."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

RANK, ROWS = 256, 4096
"""Axes that are kept, and most rows of features from which they are estimated. Source: docs/lab-log.md, "The linear
head: against scikit-learn, and on a million rows"."""


ROUNDING = 1e3
"""Steps of rounding by which shares of a vector may be wrong after its projection."""


@dataclass(frozen=True)
class Preconditioner:
    """Largest axes of the covariance of standardised features.

    Attributes:
        values: float [r], variance along each axis.
        axes: float [width, r], orthonormal.
        beyond: Variance along all other axes, not above any of `values`.

    Source: Halko, Martinsson & Tropp, SIAM Rev 53:217, 2011, section 5.3; as a preconditioner: Frangella, Tropp &
        Udell, SIAM J Matrix Anal Appl 44:718, 2023.
    """

    values: Tensor
    axes: Tensor
    beyond: Tensor

    @classmethod
    def of(cls, rows: Tensor, dtype: torch.dtype) -> Preconditioner:
        """Estimates the axes from standardised features [N, width], of which at most `ROWS` are used, in `dtype`."""
        sample = rows[:: -(-len(rows) // ROWS)].contiguous()
        count, width = sample.shape
        start = torch.randn(width, min(RANK, *sample.shape), generator=torch.Generator().manual_seed(0))
        drawn = sample.T @ (sample @ start.to(sample))
        axes = torch.linalg.qr(drawn.to(dtype)).Q
        shadow = (sample @ axes.to(sample.dtype)).to(dtype)
        values, turns = torch.linalg.eigh(shadow.T @ shadow / count)
        values = values.clamp_min(0.0)
        return cls(values, axes @ turns, values[0])

    def solve(self, slope: Tensor, level: Tensor, penalty: float) -> Tensor:
        """Divides by an estimate of the Hessian: `level` times the covariance, plus the penalty.

        Args:
            slope: float [classes, width + 1], of weights for standardised features, and of the bias.
            level: float [1, 1] or [classes, 1], mean curvature of the loss, above 0.
            penalty: L2 strength, above 0.

        Returns:
            The quotient, shaped as `slope`, times a number for each `level`.
        """
        weights, along = slope[:, :-1], level * self.values + penalty
        # below a share of the largest, rounding of the projection would drown what is divided by the largest
        least = ROUNDING * torch.finfo(slope.dtype).eps * along.amax(dim=1, keepdim=True)
        rest = torch.maximum(level * self.beyond + penalty, least)
        inside = weights @ self.axes
        outside = weights - inside @ self.axes.T
        weights = outside + (inside * (rest / torch.maximum(along, rest))) @ self.axes.T
        return torch.cat([weights, slope[:, -1:] * (rest / level)], dim=1)
