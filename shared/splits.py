"""Splits that keep together what belongs together: patients, writers, and images that are the same image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from shared.errors import DataError, LeakError
from shared.samples import SPLITS, Sample
from shared.seeding import generator

TRIES = 200
"""Draws of which the best balanced is kept; past this the balance hardly improves for 10 to 1,000 groups."""

Indices = NDArray[np.int64]


def split(
    samples: Sequence[Sample],
    *,
    seed: int,
    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2),
    clusters: Sequence[int] | Indices | None = None,
) -> Mapping[str, Indices]:
    """Divides samples into train, validation and test, stratified by class, no group on two sides.

    A split that the data fixes stays: what it calls test is the test, and where it names no validation, that is cut
    from its training part.

    Args:
        samples: All labelled.
        seed: The same seed and samples give the same split, whatever their order.
        fractions: Shares of train, validation and test; sum 1.
        clusters: For each sample the number of its cluster of duplicates; kept together like a group.

    Returns:
        Indices into `samples`, sorted, by the names of `SPLITS`.

    Raises:
        LeakError: The data's own split divides a group or a cluster.
        DataError: A class has too few groups to stand in every part. A test that the data fixes may lack a class.
    """
    units = group_units(samples, clusters)
    labels = np.array([str(sample.label) for sample in samples])
    fixed = np.array([sample.split or "" for sample in samples])
    parts = {name: np.flatnonzero(fixed == name) for name in SPLITS}
    free = np.flatnonzero(fixed == "")
    if not len(parts["test"]):
        parts["test"] = _cut(samples, units, labels, np.concatenate([free, parts["train"]]), fractions[2], seed, "test")
    rest = np.setdiff1d(np.concatenate([free, parts["train"]]), parts["test"])
    if not len(parts["validation"]):
        share = fractions[1] / (fractions[0] + fractions[1])
        parts["validation"] = _cut(samples, units, labels, rest, share, seed, "validation")
    parts["train"] = np.setdiff1d(rest, parts["validation"])
    _check_apart(parts, units)
    _check_classes({name: parts[name] for name in SPLITS if name != "test" or not (fixed == "test").any()}, labels)
    return {name: np.sort(indices) for name, indices in parts.items()}


def group_units(samples: Sequence[Sample], clusters: Sequence[int] | Indices | None = None) -> Indices:
    """For each sample the number of the unit that must not be divided: its group joined with its duplicates."""
    n = len(samples)
    links: list[tuple[int, int]] = []
    owners: list[object] = [sample.group or f"\0{i}" for i, sample in enumerate(samples)]
    duplicates: list[object] = [] if clusters is None else list(clusters)
    for keys in (owners, duplicates):
        first: dict[object, int] = {}
        links += [(first.setdefault(key, i), i) for i, key in enumerate(keys)]
    rows, columns = np.array(links, dtype=np.int64).T
    _, units = connected_components(coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(n, n)), directed=False)
    return units.astype(np.int64)


def k_shot(indices: Indices, labels: Sequence[str], k: int, seed: int) -> Indices:
    """Draws k samples of each class from `indices`.

    Raises:
        DataError: A class has fewer than k.
    """
    chosen: list[int] = []
    for name in sorted({labels[i] for i in indices}):
        members = [int(i) for i in indices if labels[i] == name]
        if len(members) < k:
            raise DataError(f"class {name} has {len(members)} training images; {k} were asked for (labels_per_class)")
        chosen += generator(seed, "k-shot", name).choice(members, size=k, replace=False).tolist()
    return np.sort(np.array(chosen, dtype=np.int64))


def few_groups(samples: Sequence[Sample], indices: Indices, count: int, seed: int) -> Indices:
    """Keeps `count` groups of `indices`, drawn so that every class occurs.

    Raises:
        DataError: There are fewer groups, or no draw of that many holds every class.
    """
    owner = {int(i): samples[i].group or samples[i].id for i in indices}
    names = sorted(set(owner.values()))
    if len(names) < count:
        raise DataError(f"the training part has {len(names)} groups; {count} were asked for (train_groups)")
    every = {samples[i].label for i in indices}
    for attempt in range(TRIES):
        drawn = set(generator(seed, "few-groups", attempt).choice(names, size=count, replace=False).tolist())
        kept = np.array([i for i in indices if owner[int(i)] in drawn], dtype=np.int64)
        if {samples[i].label for i in kept} == every:
            return kept
    raise DataError(f"no draw of {count} groups holds every class; ask for more (train_groups)")


def _cut(
    samples: Sequence[Sample],
    units: Indices,
    labels: NDArray[np.str_],
    pool: Indices,
    share: float,
    seed: int,
    purpose: str,
) -> Indices:
    """The part of `pool` that best holds `share` of each class, in whole units, over several draws."""
    pool = np.array(sorted(pool, key=lambda i: samples[i].id), dtype=np.int64)
    names, classes = np.unique(labels[pool], return_inverse=True)
    _, local = np.unique(units[pool], return_inverse=True)
    order = _first_seen(local)
    counts = np.zeros((len(order), len(names)))
    np.add.at(counts, (order[local], classes), 1)
    wanted = counts.sum(axis=0) * share
    best: tuple[float, NDArray[np.bool_]] | None = None
    for attempt in range(TRIES):
        taken = _draw(counts, wanted, generator(seed, "split", purpose, attempt))
        cost = _cost(counts, taken, wanted)
        if best is None or cost < best[0]:
            best = (cost, taken)
    if best is None:
        raise DataError("no sample to split")
    return pool[best[1][order[local]]]


def _first_seen(local: Indices) -> Indices:
    """Renumbers units by their first sample in id order, so that the draw does not depend on the input's order."""
    _, first = np.unique(local, return_index=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank


def _draw(counts: NDArray[np.float64], wanted: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.bool_]:
    """Takes units in random order while each brings the class counts nearer to what is wanted."""
    taken = np.zeros(len(counts), dtype=bool)
    have = np.zeros(counts.shape[1])
    scale = np.maximum(wanted, 1.0)
    for unit in random.permutation(len(counts)):
        after = have + counts[unit]
        if np.abs((after - wanted) / scale).sum() < np.abs((have - wanted) / scale).sum():
            taken[unit], have = True, after
    return taken


def _cost(counts: NDArray[np.float64], taken: NDArray[np.bool_], wanted: NDArray[np.float64]) -> float:
    have, left = counts[taken].sum(axis=0), counts[~taken].sum(axis=0)
    empty = int((have == 0).sum() + (left == 0).sum())
    return float(np.abs(have - wanted).sum() / wanted.sum() + 10.0 * empty)


def _check_apart(parts: Mapping[str, Indices], units: Indices) -> None:
    for first, second in (("train", "validation"), ("train", "test"), ("validation", "test")):
        shared = np.intersect1d(units[parts[first]], units[parts[second]])
        if len(shared):
            raise LeakError(f"the data's own split puts {len(shared)} groups or duplicates into {first} and {second}")


def _check_classes(parts: Mapping[str, Indices], labels: NDArray[np.str_]) -> None:
    for name in np.unique(labels):
        for part, indices in parts.items():
            if not (labels[indices] == name).any():
                raise DataError(f"class {name} has no sample in {part}: it has too few groups to stand in every part")
