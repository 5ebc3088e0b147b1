"""In which order an epoch goes through the training images, so that no class or domain drowns another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shared.job import Part

Balance = Literal["none", "class", "domain", "class_and_domain"]


def balanced_keys(part: Part, balance: Balance) -> NDArray[np.int64]:
    """The group of each sample, int64 [N]; all groups shall come equally often in training."""
    classes = part.labels
    domains = _numbered([sample.domain for sample in part.samples])
    if balance == "class":
        return classes
    if balance == "domain":
        return domains
    if balance == "class_and_domain":
        return domains * (int(classes.max()) + 1) + classes
    return np.zeros(len(classes), dtype=np.int64)


def epoch_order(keys: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
    """Places [N] in the order of one epoch: each key as often as any other, up to one.

    Samples of a key come again only after all of it have come; of one key this is a plain shuffle.

    Args:
        keys: int64 [N], the group of each sample.
        random: Of the draw.
    """
    count = len(keys)
    groups = [np.flatnonzero(keys == key) for key in np.unique(keys)]
    if len(groups) == 1:
        return random.permutation(count)
    shares = np.full(len(groups), count // len(groups))
    shares[random.permutation(len(groups))[: count % len(groups)]] += 1
    drawn = [_repeated(group, int(share), random) for group, share in zip(groups, shares, strict=True)]
    return random.permutation(np.concatenate(drawn))


def endless(count: int, start: int, length: int, round_of: Callable[[int], np.random.Generator]) -> NDArray[np.int64]:
    """Places [length] from `start` on in an endless stream of rounds, each of which shuffles all `count` samples.

    Args:
        count: Samples of a round.
        start: How many of the stream have been taken.
        length: How many are wanted.
        round_of: The generator that shuffles a round, by its number.
    """
    first, last = start // count, (start + length - 1) // count
    rounds = [round_of(number).permutation(count) for number in range(first, last + 1)]
    return np.concatenate(rounds)[start - first * count :][:length]


def _repeated(group: NDArray[np.int64], length: int, random: np.random.Generator) -> NDArray[np.int64]:
    rounds = -(-length // len(group))
    return np.concatenate([random.permutation(group) for _ in range(rounds)])[:length]


def _numbered(names: Sequence[str]) -> NDArray[np.int64]:
    return np.unique(np.array(names), return_inverse=True)[1].astype(np.int64)
