"""How much characters vary in training: one table, which Albumentations and the form for batches both execute."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Range = tuple[float, float]
"""Least and greatest; every value between is as likely."""


@dataclass(frozen=True)
class Variation:
    """Shares of images, and ranges of what is drawn for them. A character is never mirrored.

    Attributes:
        moved: Share of images that are scaled, turned, slanted and shifted.
        degrees: Rotation, counter-clockwise.
        shear_x: Slant of vertical strokes, in degrees.
        shear_y: Slant of horizontal strokes, in degrees.
        scale: Scale of each axis, each by a draw of its own.
        shift: Shift along each axis, as a share of the side; whole pixels, rounded towards none.
        bent: Share of images that are bent.
        bend_sigma: Smoothing of the shifts that bend (standard deviation, share of the side): half a letter bends, no
            stroke frays.
        bend_shift: Standard deviation of these shifts, as a share of the side, before Albumentations divides by
            the largest of the normal numbers that it smooths: about a quarter of this remains.
        pen: Share of images with another pen: half of them thicker, half thinner.
        brush: Width of the brush that thickens or thins, as a share of the side: half a stroke of DHCD.
    """

    moved: float = 0.9
    degrees: Range = (-12.0, 12.0)
    shear_x: Range = (-12.0, 12.0)
    shear_y: Range = (-4.0, 4.0)
    scale: Range = (0.85, 1.08)
    shift: Range = (-0.05, 0.05)
    bent: float = 0.5
    bend_sigma: float = 0.08
    bend_shift: float = 0.025
    pen: float = 0.4
    brush: float = 1 / 20

    def sigma_pixels(self, size: int) -> float:
        """Returns the smoothing of the shifts, for images of a side in pixels."""
        return self.bend_sigma * size

    def strength_pixels(self, size: int) -> float:
        """Returns the factor of the smoothed numbers that makes shifts of them, for images of a side in pixels."""
        # White noise of unit variance, smoothed by a Gaussian, keeps a standard deviation of 1 / (2 sqrt(pi) sigma).
        return self.bend_shift * size * 2 * float(np.sqrt(np.pi)) * self.sigma_pixels(size)

    def brush_pixels(self, size: int) -> int:
        """Returns the width of the brush, for images of a side in pixels."""
        return max(2, round(self.brush * size))


USUAL = Variation()
