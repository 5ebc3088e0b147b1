"""A chain of random transforms, MONAI's and ours, whose draws for an image depend on one seed alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from shared.task import Image


class Chain:
    """Random transforms that share one random state; to be used by one thread alone.

    Args:
        moves: What changes the position, which a mask of the image follows: transforms of MONAI, or of ours.
        looks: What changes the brightness afterwards, which leaves a mask alone.

    Attributes:
        random: The state that all transforms draw from.
        moves: MONAI's `Compose` of `moves`.
        looks: MONAI's `Compose` of `looks`.
    """

    def __init__(self, moves: list[Any], looks: list[Any]) -> None:
        from monai.transforms import Compose

        self.random = np.random.RandomState(0)
        self.moves, self.looks = Compose(moves), Compose(looks)
        for transform in (*moves, *looks):
            _share(transform, self.random)

    def start(self, seed: int) -> bool:
        """Starts the draws of an image, and says whether it is mirrored, which is the first of them.

        Args:
            seed: Seed of the draws, 0 to 2**32 - 1.
        """
        self.random.seed(seed)
        return bool(self.random.random_sample() < 0.5)

    def __call__(self, image: Image, seed: int) -> Image:
        """Applies the transforms to an image, or at random to its mirror image.

        Args:
            image: float32 [1, size, size], 0 to 1; or [2, size, size], the second channel a mask of 0 and 1.
            seed: Seed of the draws, 0 to 2**32 - 1.

        Returns:
            float32 of the same shape, 0 to 1; a new array. The image is the same with and without a mask, unless the
            transform would have cut away what the mask marks.
        """
        mirrored = image[..., ::-1] if self.start(seed) else image
        moved = np.asarray(self.moves(mirrored.copy()), dtype=np.float32).copy()
        moved[:1] = np.asarray(self.looks(moved[:1].copy()), dtype=np.float32)
        return np.clip(moved, 0.0, 1.0)


def _share(transform: Any, random: np.random.RandomState) -> None:
    """Lets a transform, and those inside it, draw from a state.

    A `Compose` would give those inside states of their own, and none to ours; making one takes 0.2 ms.
    """
    from monai.transforms import Compose

    if isinstance(transform, Compose):
        transform.R = random
        for one in transform.transforms:
            _share(one, random)
    elif hasattr(transform, "set_random_state"):
        transform.set_random_state(state=random)
