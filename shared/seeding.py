"""Random generators named by what they are for.

A draw depends on (seed, purpose, counters) and on nothing drawn before it. So a run that is killed and resumed, or
that uses another number of workers, draws the same numbers.
"""

from __future__ import annotations

import hashlib

import numpy as np


def derive_seed(seed: int, *purpose: str | int) -> int:
    """A 32-bit seed that is a pure function of `seed` and the words and counters in `purpose`."""
    text = "\x1f".join([str(seed), *map(str, purpose)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "little")


def generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """A NumPy generator for one purpose, for example `generator(seed, "order", epoch)`."""
    return np.random.default_rng(derive_seed(seed, *purpose))
