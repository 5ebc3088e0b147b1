"""A preconditioner for linear heads: the covariance of the features, exact along its largest axes, level beyond."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from shared.features.sources import Standardiser

RANK, ROWS = 256, 4096
"""Axes that are kept, and most rows of features from which they are estimated. Source: docs/lab-log.md, "The linear
head: against scikit-learn, and on a million rows"."""


@dataclass(frozen=True)
class Preconditioner:
    """Largest axes of the covariance of standardised features.

    Attributes:
        values: float [r], variance along each axis, rising.
        axes: float [width, r], orthonormal.

    Source: Halko, Martinsson & Tropp, SIAM Rev 53:217, 2011, section 5.3; as a preconditioner: Frangella, Tropp &
        Udell, SIAM J Matrix Anal Appl 44:718, 2023.
    """

    values: Tensor
    axes: Tensor

    @classmethod
    def of(cls, rows: Tensor, standardiser: Standardiser) -> Preconditioner:
        """Estimates the axes from features float or bfloat16 [N, width], of which at most `ROWS` are used."""
        rows = rows[:: -(-len(rows) // ROWS)]
        sample = ((rows - standardiser.mean) / standardiser.scale).to(rows.dtype)
        count, width = sample.shape
        start = torch.randn(width, min(RANK, *sample.shape), generator=torch.Generator().manual_seed(0))
        drawn = sample.T @ (sample @ start.to(sample))
        axes = torch.linalg.qr(drawn.to(standardiser.mean.dtype)).Q
        shadow = (sample @ axes.to(sample.dtype)).to(axes.dtype)
        values, turns = torch.linalg.eigh(shadow.T @ shadow / count)
        return cls(values.clamp_min(0.0), axes @ turns)

    def solve(self, slope: Tensor, level: Tensor, penalty: float) -> Tensor:
        """Divides by an estimate of the Hessian: `level` times the covariance, plus the penalty.

        Args:
            slope: float [classes, width + 1], of weights for standardised features, and of the bias.
            level: float [1, 1] or [classes, 1], mean curvature of the loss, above 0.
            penalty: L2 strength, above 0.

        Returns:
            The quotient, shaped as `slope`, times a number for each `level`.
        """
        weights, rest = slope[:, :-1], level * self.values[0] + penalty
        shares = rest / (level * self.values + penalty) - 1.0
        weights = weights + ((weights @ self.axes) * shares) @ self.axes.T
        return torch.cat([weights, slope[:, -1:] * (rest / level)], dim=1)
