"""The order of the training images in an epoch, balanced so that no class or domain drowns another."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shared.data.split import Split
from shared.samples import NOT_STATED

Balance = Literal["none", "class", "domain", "class_and_domain", "class_domain_and_group"]


def balanced_keys(split: Split, balance: Balance, varying: Sequence[str] = ()) -> NDArray[np.int64]:
    """Returns the part of each sample, its cell within that and its group within that, int64 [N, 3], for `epoch_order`.

    With "class_and_domain" the parts are the classes, which come equally often, and a cell is a domain, by the square
    root of its number of images: a domain of one class alone does not make that class more frequent, and a small domain
    is not learnt by heart. A picture that several domains hold counts for the largest of them, so that what only the
    smaller ones hold is not drowned.

    With "class_domain_and_group" a cell is what looks alike: a domain, and in it each value of the properties `varying`
    (contrast, say). Within a cell groups come by the square root of their number of images, so that a patient of
    many slices does not drown those of few.

    Args:
        split: The training split.
        balance: What is balanced: "class", "domain", "class_and_domain" or "class_domain_and_group"; with "none" all
            samples are one part.
        varying: Names of properties of `Sample.acquisition` in which the images of one domain differ; read with
            "class_domain_and_group" alone.
    """
    nothing = np.zeros(len(split.labels), dtype=np.int64)
    domains = _domains_without_copies(split)
    if balance == "class_domain_and_group":
        cells = [
            repr((domain, *(sample.acquisition.get(name, NOT_STATED) for name in varying)))
            for domain, sample in zip(domains, split.samples, strict=True)
        ]
        return np.stack([split.labels, _numbered(cells), _numbered(split.grouping.groups)], axis=1)
    numbers = _numbered(domains)
    outer = split.labels if balance in ("class", "class_and_domain") else numbers if balance == "domain" else nothing
    return np.stack([outer, numbers if balance == "class_and_domain" else nothing, nothing], axis=1)


def epoch_order(keys: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
    """Draws the indices of one epoch, int64 [N], in which each part comes as often as any other, up to one.

    Within a part, the shares of cells follow the square roots of their sizes, and within a cell those of groups. A
    sample comes again only after all others of its group and cell have come. One part in one piece is shuffled.

    Args:
        keys: int64 [N, 3], the parts, cells and groups of `balanced_keys`.
        random: Generator of the draw.
    """
    if len(np.unique(keys, axis=0)) == 1:
        return random.permutation(len(keys))
    drawn = []
    parts = np.unique(keys[:, 0])
    for part, share in _shared(parts, np.ones(len(parts)), len(keys), random):
        within = np.flatnonzero(keys[:, 0] == part)
        cells, sizes = np.unique(keys[within, 1], return_counts=True)
        for cell, count in _shared(cells, np.sqrt(sizes), share, random):
            drawn += _by_group(within[keys[within, 1] == cell], keys[:, 2], count, random)
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


def _by_group(
    cell: NDArray[np.int64], groups: NDArray[np.int64], count: int, random: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Draws `count` samples of a cell, its groups by the square roots of their sizes.

    Shares are rounded up or down by one draw for all, so that groups which are due less than once an epoch come by
    turns as often as they are due.
    """
    names, sizes = np.unique(groups[cell], return_counts=True)
    if len(names) == 1:
        return [_repeated(cell, count, random)]
    turns = random.permutation(len(names))
    weights = np.sqrt(sizes[turns])
    due = np.cumsum(weights) / np.cumsum(weights)[-1]
    bounds = np.minimum(np.floor(count * due + random.random()).astype(np.int64), count)
    shares = np.diff(bounds, prepend=0)
    chosen = zip(names[turns[shares > 0]], shares[shares > 0].tolist(), strict=True)
    return [_repeated(cell[groups[cell] == name], share, random) for name, share in chosen]


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
