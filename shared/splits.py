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
"""Draws made until some hold every class where it must stand."""
BEST_OF = 10
"""Of so many draws that do, the best balanced is kept. With more, every seed would end at the one optimum that a
dozen patients have, and the spread over seeds would hide what the choice of patients does."""
UNITS_VISITED = 100_000
"""Bounds the draws where units are many, about a second: the more units, the better already the first draw."""
MISSING_COST = 1000.0
"""Of a class that stands on one side only: above any imbalance."""

Indices = NDArray[np.int64]


def split(
    samples: Sequence[Sample],
    *,
    seed: int,
    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2),
    clusters: Sequence[int] | Indices | None = None,
) -> Mapping[str, Indices]:
    """Divides samples into train, validation and test, stratified by class and then by domain, no group on two sides.

    A split that the data fixes stays: what it calls test is the test, and where it names no validation, that is cut
    from its training part. A sample without a split goes where the data sends its group.

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
    if not samples:
        raise DataError("there is no sample to split")
    units = group_units(samples, clusters)
    fixed = _with_their_group(np.array([sample.split or "" for sample in samples]), units)
    parts = {name: np.flatnonzero(fixed == name) for name in SPLITS}
    fixed_test, fixed_validation = bool(len(parts["test"])), bool(len(parts["validation"]))
    rest = np.flatnonzero((fixed == "") | (fixed == "train"))
    if not fixed_test:
        parts["test"] = _cut(samples, units, rest, fractions[2], 1 if fixed_validation else 2, seed, "test")
        rest = np.setdiff1d(rest, parts["test"])
    if not fixed_validation:
        share = fractions[1] / (fractions[0] + fractions[1])
        parts["validation"] = _cut(samples, units, rest, share, 1, seed, "validation")
    parts["train"] = np.setdiff1d(rest, parts["validation"])
    _check_apart(parts, units)
    _check_classes(parts, samples, units, "test" if fixed_test else None)
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
    """Draws k samples of each class from `indices` (which sample, depends on their order).

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
    """Keeps `count` groups of `indices`: of several draws that hold every class, the one with the nearest shares.

    Raises:
        DataError: There are fewer groups, or no draw of that many holds every class.
    """
    names, owner = np.unique([samples[i].group or samples[i].id for i in indices], return_inverse=True)
    if len(names) < count:
        raise DataError(f"the training part has {len(names)} groups; {count} were asked for (train_groups)")
    classes = np.unique([str(samples[i].label) for i in indices], return_inverse=True)[1]
    counts = np.zeros((len(names), classes.max() + 1))
    np.add.at(counts, (owner, classes), 1)
    shares = counts.sum(axis=0) / counts.sum()
    best: tuple[float, Indices] | None = None
    complete = 0
    for attempt in range(TRIES):
        drawn = generator(seed, "few-groups", attempt).choice(len(names), size=count, replace=False)
        have = counts[drawn].sum(axis=0)
        cost = float(np.abs(have / have.sum() - shares).sum())
        if not (have > 0).all():
            continue
        if best is None or cost < best[0]:
            best = cost, drawn
        complete += 1
        if complete == BEST_OF:
            break
    if best is None:
        raise DataError(f"no draw of {count} groups holds every class; ask for more (train_groups)")
    return indices[np.isin(owner, best[1])]


def _with_their_group(fixed: NDArray[np.str_], units: Indices) -> NDArray[np.str_]:
    """Sends samples without a split to the validation or test that holds others of their unit."""
    sent = fixed.copy()
    for name in ("validation", "test"):
        sent[(fixed == "") & np.isin(units, units[fixed == name])] = name
    return sent


def _cut(
    samples: Sequence[Sample], units: Indices, pool: Indices, share: float, keep: int, seed: int, purpose: str
) -> Indices:
    """The part of `pool` that best holds `share` of each class and domain, in whole units, over several draws.

    Args:
        samples: All samples.
        units: The unit of each.
        pool: Indices of those to divide.
        share: What to take of each class and domain.
        keep: How many units of each class must be left over for the other parts.
        seed: Of the draws.
        purpose: Names the draws.
    """
    if not len(pool):
        return pool
    pool = np.array(sorted(pool, key=lambda i: samples[i].id), dtype=np.int64)
    order = _first_seen(np.unique(units[pool], return_inverse=True)[1])
    by_class = _count(order, [str(samples[i].label) for i in pool])
    by_domain = _count(order, [samples[i].domain for i in pool])
    counts = np.hstack([by_class, by_domain]) if by_domain.shape[1] > 1 else by_class
    wanted = counts.sum(axis=0) * share
    best: tuple[float, NDArray[np.bool_]] | None = None
    complete = 0
    for attempt in range(max(1, min(TRIES, UNITS_VISITED // len(counts)))):
        taken = _draw(counts, by_class > 0, wanted, keep, generator(seed, "split", purpose, attempt))
        off = np.abs(counts[taken].sum(axis=0) - wanted)
        missing = int((~(by_class[taken] > 0).any(axis=0)).sum() + ((by_class[~taken] > 0).sum(axis=0) < keep).sum())
        cost = float((off / np.maximum(wanted, 1.0)).sum()) + MISSING_COST * missing
        if best is None or cost < best[0]:
            best = cost, taken
        complete += not missing
        if complete == BEST_OF or (not missing and off.max() <= 0.5):  # whole samples come no nearer
            break
    return pool[best[1][order]] if best else pool[:0]


def _first_seen(local: Indices) -> Indices:
    """For each sample its unit, numbered in id order, so that the draw does not depend on the input's order."""
    _, first = np.unique(local, return_index=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[local]


def _count(order: Indices, names: Sequence[str]) -> NDArray[np.float64]:
    """How many samples of each name each unit has: [units, names]."""
    kinds, kind = np.unique(names, return_inverse=True)
    counts = np.zeros((int(order.max()) + 1, len(kinds)))
    np.add.at(counts, (order, kind), 1)
    return counts


def _draw(
    counts: NDArray[np.float64],
    holds: NDArray[np.bool_],
    wanted: NDArray[np.float64],
    keep: int,
    random: np.random.Generator,
) -> NDArray[np.bool_]:
    """Takes units in random order: first one of each class, rare ones first, then all that bring the counts nearer."""
    taken, left = np.zeros(len(counts), dtype=np.bool_), holds.sum(axis=0)
    order = random.permutation(len(counts))
    for kind in np.argsort(left, kind="stable"):
        if holds[taken, kind].any():
            continue
        spare = (left - holds >= np.where(holds, keep, 0)).all(axis=1)
        able = order[(holds[:, kind] & spare & ~taken)[order]]
        if len(able):
            taken[able[0]], left = True, left - holds[able[0]]
    have = counts[taken].sum(axis=0)
    scale = np.maximum(wanted, 1.0)
    for unit in order[~taken[order]]:
        after = have + counts[unit]
        enough = (left - holds[unit])[holds[unit]] >= keep
        if enough.all() and (np.abs(after - wanted) / scale).sum() < (np.abs(have - wanted) / scale).sum():
            taken[unit], have, left = True, after, left - holds[unit]
    return taken


def _check_apart(parts: Mapping[str, Indices], units: Indices) -> None:
    for first, second in (("train", "validation"), ("train", "test"), ("validation", "test")):
        shared = np.intersect1d(units[parts[first]], units[parts[second]])
        if len(shared):
            raise LeakError(
                f"the data's own split puts {len(shared)} groups or sets of duplicates into both {first} and {second}; "
                f"give each group one split, or none to have the data divided anew"
            )


def _check_classes(parts: Mapping[str, Indices], samples: Sequence[Sample], units: Indices, exempt: str | None) -> None:
    labels = np.array([str(sample.label) for sample in samples])
    for name in np.unique(labels):
        for part in (part for part in SPLITS if part != exempt):
            if not (labels[parts[part]] == name).any():
                groups = len(np.unique(units[labels == name]))
                raise DataError(
                    f"class {name} has no sample in {part}: its {int((labels == name).sum())} samples form {groups} "
                    f"groups, and no group may be divided; add groups of that class or leave the class out"
                )
