"""Random contrast: curves from old to new brightness, as between scanners and sequences of MRI."""

from __future__ import annotations

from bisect import bisect
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medtl.random_transform import RandomTransform

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
_LIMITS = list(accumulate(SHARES.values()))


@dataclass(frozen=True)
class Power:
    """A power that brightness is raised to.

    Attributes:
        exponent: The exponent, above 0.
    """

    exponent: float


@dataclass(frozen=True)
class Curve:
    """A curve from old to new brightness, of straight pieces between its points; level beyond the ends.

    Attributes:
        old: float64 [points], rising.
        new: float64 [points].
    """

    old: NDArray[np.float64]
    new: NDArray[np.float64]


class RandomContrast(RandomTransform):
    """Transform that changes the relation between tissue and brightness at random."""

    def __call__(self, image: Any) -> Any:
        """Changes the contrast of an image of 0 to 1; shape and range stay, and background stays dark."""
        drawn = self.draw()
        if drawn is None:
            return image
        values = np.clip(np.asarray(image, dtype=np.float32), 0.0, 1.0)
        if isinstance(drawn, Power):
            return values ** np.float32(drawn.exponent)
        return np.interp(values, drawn.old, drawn.new).astype(np.float32)

    def draw(self) -> Power | Curve | None:
        """Draws what is done to the contrast of the next image; None: it stays."""
        kind = list(SHARES)[bisect(_LIMITS[:-1], self.random.random_sample())]
        if kind == "kept":
            return None
        if kind == "gamma":
            return Power(float(GAMMA ** self.random.uniform(-1.0, 1.0)))
        return self._curve(rising=kind == "rising")

    def _curve(self, *, rising: bool) -> Curve:
        count = int(self.random.randint(*KNOTS))
        old = np.concatenate([[AIR], np.sort(self.random.uniform(AIR, 1.0, count - 2)), [1.0]])
        new = self.random.random_sample(count)
        if rising:
            new = np.sort(new)
        # a curve that is flat where most tissue lies would leave nothing to see
        kept = self.random.uniform(*KEPT_SHARE)
        new = kept * old + (1.0 - kept) * new
        new = AIR + (1.0 - AIR) * (new - new.min()) / float(np.ptp(new))
        return Curve(np.concatenate([[0.0], old]), np.concatenate([[0.0], new]))
