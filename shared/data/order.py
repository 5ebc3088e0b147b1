"""The order of the training images in an epoch, balanced so that no class or domain drowns another."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shared.data.split import Split

Balance = Literal["none", "class", "domain", "class_and_domain"]


def balanced_keys(split: Split, balance: Balance) -> NDArray[np.int64]:
    """Returns the group of each sample and its subgroup within that, int64 [N, 2], for `epoch_order`.

    With "class_and_domain" all classes come equally often, and within a class each domain by the square root of its
    number of images: a domain of one class alone does not make that class more frequent, and a small domain is not
    learnt by heart. A picture that several domains hold counts for the largest of them, so that what only the smaller
    ones hold is not drowned.

    Args:
        split: The training split.
        balance: What is balanced: "class", "domain", or "class_and_domain"; with "none" all samples are one group.
    """
    nothing = np.zeros(len(split.labels), dtype=np.int64)
    domains = _numbered(_domains_without_copies(split))
    outer = split.labels if balance in ("class", "class_and_domain") else domains if balance == "domain" else nothing
    return np.stack([outer, domains if balance == "class_and_domain" else nothing], axis=1)


def epoch_order(keys: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
    """Draws the indices of one epoch, int64 [N], in which each group comes as often as any other, up to one.

    Within a group, the shares of subgroups follow the square roots of their sizes. A sample comes again only after all
    others of its subgroup have come. A single subgroup is shuffled.

    Args:
        keys: int64 [N, 2], the groups and subgroups of `balanced_keys`.
        random: Generator of the draw.
    """
    if len(np.unique(keys, axis=0)) == 1:
        return random.permutation(len(keys))
    drawn = []
    groups = np.unique(keys[:, 0])
    for outer, share in _shared(groups, np.ones(len(groups)), len(keys), random):
        within = np.flatnonzero(keys[:, 0] == outer)
        inner_groups, sizes = np.unique(keys[within, 1], return_counts=True)
        for inner, count in _shared(inner_groups, np.sqrt(sizes), share, random):
            drawn.append(_repeated(within[keys[within, 1] == inner], count, random))
    return random.permutation(np.concatenate(drawn))


def endless(count: int, start: int, length: int, round_of: Callable[[int], np.random.Generator]) -> NDArray[np.int64]:
    """Returns indices from an endless stream of rounds, int64 [length]; each round shuffles all samples.

    Args:
        count: Number of samples in a round.
        start: Number of indices of the stream that were taken before.
        length: Number of indices to return.
        round_of: Returns the generator that shuffles a round, by its number.
    """
    first, last = start // count, (start + length - 1) // count
    rounds = [round_of(number).permutation(count) for number in range(first, last + 1)]
    return np.concatenate(rounds)[start - first * count :][:length]


def _domains_without_copies(split: Split) -> list[str]:
    """Returns the domain of each sample; where copies join samples of several domains, the largest of these.

    A group that itself lies in several domains is no copy: it was imaged in each of them.
    """
    domains = [sample.domain for sample in split.samples]
    sizes = Counter(domains)
    where, by_group = defaultdict[int, set[str]](set), defaultdict[str, set[str]](set)
    for domain, group, unit in zip(domains, split.grouping.groups, split.grouping.units, strict=True):
        where[unit].add(domain)
        by_group[group].add(domain)
    largest = {unit: max(sorted(names), key=sizes.__getitem__) for unit, names in where.items()}
    grouping = zip(domains, split.grouping.groups, split.grouping.units, strict=True)
    return [domain if len(by_group[group]) > 1 else largest[unit] for domain, group, unit in grouping]


def _shared(
    groups: NDArray[np.int64], weights: NDArray[np.float64], count: int, random: np.random.Generator
) -> list[tuple[int, int]]:
    """Divides `count` among groups by their weights; what is left goes by lot, one to a group."""
    shares = np.floor(count * weights / weights.sum()).astype(np.int64)
    shares[random.permutation(len(groups))[: count - shares.sum()]] += 1
    return list(zip(groups.tolist(), shares.tolist(), strict=True))


def _repeated(group: NDArray[np.int64], length: int, random: np.random.Generator) -> NDArray[np.int64]:
    rounds = max(1, -(-length // len(group)))  # a share may be 0, and there is no empty list of rounds
    return np.concatenate([random.permutation(group) for _ in range(rounds)])[:length]


def _numbered(names: Sequence[str]) -> NDArray[np.int64]:
    return np.unique(np.array(names), return_inverse=True)[1].astype(np.int64)
