"""Random generators that depend on a seed and a named purpose alone.

A draw depends on (seed, purpose, counters) and on no draw before it. So a run that is killed and resumed, or that uses
another number of workers, draws the same numbers.
"""

from __future__ import annotations

import hashlib

import numpy as np


def derive_seed(seed: int, *purpose: str | int) -> int:
    """Derives a seed for one purpose from the seed of a run.

    Args:
        seed: Seed of the run.
        purpose: Words and counters that name the draw.

    Returns:
        An integer, 0 to 2**32 - 1; the same arguments always give the same one.
    """
    text = "\x1f".join([str(seed), *map(str, purpose)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "little")


def generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """Makes a NumPy generator for one purpose, for example `generator(seed, "order", epoch)`.

    Args:
        seed: Seed of the run.
        purpose: Words and counters that name the draw.
    """
    return np.random.default_rng(derive_seed(seed, *purpose))
