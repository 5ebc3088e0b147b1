"""The interface of MONAI's random transforms, for transforms of our own that stand in one chain with them."""

from __future__ import annotations

from typing import Self

import numpy as np


class RandomTransform:
    """Base of a transform that draws at random, with the interface of MONAI's and without importing it."""

    def __init__(self) -> None:
        self.random = np.random.RandomState()

    def set_random_state(self, seed: int | None = None, state: np.random.RandomState | None = None) -> Self:
        """Sets the random state, as MONAI's transforms do, and returns this transform.

        Args:
            seed: Seed of a new state; None draws one from the system.
            state: A state to share; where it is given, `seed` does not count.
        """
        self.random = np.random.RandomState(seed) if state is None else state
        return self
