"""Group-safe splits: images of one patient or writer, and copies of one picture, stay on one side."""

from __future__ import annotations

import math
import warnings
from collections.abc import Collection, Hashable, Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array, hstack
from scipy.sparse.csgraph import connected_components

from shared.data.leaks import with_their_group
from shared.errors import DataError, LeakError
from shared.samples import SPLITS, Sample
from shared.seeding import derive_seed, generator

TRIES = 200
"""Draws that are begun at most, to find some that hold every class in every split."""
BEST_OF = 10
"""The best balanced of so many draws that hold every class is kept. With more, every seed would end at the one optimum
that a dozen patients have, and the spread over seeds would hide what the choice of patients does."""
UNITS_VISITED = 100_000
"""Bounds the time of the draws to tenths of a second: the more units, the better already the first draw."""

Indices = NDArray[np.int64]


def draw_split(
    samples: Sequence[Sample],
    *,
    seed: int,
    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2),
    units: Indices | None = None,
    may_leak: bool = False,
    test_only: Collection[str] = (),
) -> Mapping[str, Indices]:
    """Divides samples into train, validation and test, stratified by class and then by domain, no group on two sides.

    A split that the data fix stays: their test is the test, and where they name no validation, that is cut from their
    training split. A sample without a split goes where the data send its group.

    Args:
        samples: N labelled samples.
        seed: Seed of the draws: the same seed and samples give the same split, whatever the names of groups.
        fractions: Shares of train, validation and test; sum 1.
        units: int64 [N], the units of `group_units`, which are not divided. None: the groups alone.
        may_leak: Whether the data's own split may divide a unit; what is drawn here never does.
        test_only: Classes that may be missing from training and validation where the data fix a test.

    Returns:
        Indices into `samples`, sorted, by the names of `SPLITS`.

    Raises:
        LeakError: The data's own split divides a unit.
        DataError: A class has too few groups to stand in every split; a test that the data fix may lack a class.
    """
    if not samples:
        raise DataError("there is no sample to split")
    units = group_units(samples) if units is None else units
    fixed = np.array([sample.split or "" for sample in samples])
    unknown = sorted(set(fixed.tolist()) - {"", *SPLITS})
    if unknown:
        raise DataError(f"unknown split {unknown[0]!r}; allowed: {', '.join(SPLITS)}, or none")
    fixed = with_their_group(fixed, units)
    splits = {name: np.flatnonzero(fixed == name) for name in SPLITS}
    fixed_test, fixed_validation = bool(len(splits["test"])), bool(len(splits["validation"]))
    rest = np.flatnonzero((fixed == "") | (fixed == "train"))
    if not fixed_test:
        splits["test"] = _cut(samples, units, rest, fractions[2], 1 if fixed_validation else 2, seed, "test")
        rest = np.setdiff1d(rest, splits["test"])
    if not fixed_validation:
        share = fractions[1] / (fractions[0] + fractions[1])
        splits["validation"] = _cut(samples, units, rest, share, 1, seed, "validation")
    splits["train"] = np.setdiff1d(rest, splits["validation"])
    if not may_leak:
        _check_apart(splits, units)
    _check_classes(splits, samples, units, ("test",) if fixed_test else (), test_only if fixed_test else ())
    return {name: np.sort(indices) for name, indices in splits.items()}


def group_units(samples: Sequence[Sample], clusters: Sequence[int] | Indices | None = None) -> Indices:
    """Numbers the unit of each sample, int64 [N], which must not be divided: its group joined with its duplicates.

    Args:
        samples: N samples; one without a group is a group of its own.
        clusters: [N] cluster of duplicates of each sample; None: no duplicates are known.
    """
    n = len(samples)
    links: list[tuple[int, int]] = []
    owners: list[object] = [sample.group or f"\0{i}" for i, sample in enumerate(samples)]
    duplicates: list[object] = [] if clusters is None else list(clusters)
    for keys in (owners, duplicates):
        first: dict[object, int] = {}
        links += [(first.setdefault(key, i), i) for i, key in enumerate(keys)]
    rows, columns = np.array(links, dtype=np.int64).T
    _, units = connected_components(coo_array((np.ones(len(rows)), (rows, columns)), shape=(n, n)), directed=False)
    return units.astype(np.int64)


def fold_numbers(samples: Sequence[Sample], units: Indices, folds: int, seed: int) -> Indices:
    """Draws the fold of each sample, int64 [N], 0 to folds - 1: stratified by class, no unit divided.

    Args:
        samples: N labelled samples.
        units: int64 [N], the units of `group_units`.
        folds: Number of folds.
        seed: Seed of the draw.

    Raises:
        DataError: There are fewer units than folds, or a fold would stay empty.

    Source: scikit-learn's StratifiedGroupKFold.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    if len(np.unique(units)) < folds:
        raise DataError(f"{len(np.unique(units))} groups cannot be divided into {folds} folds; ask for fewer")
    labels = np.array([str(sample.label) for sample in samples])
    numbers = np.zeros(len(samples), dtype=np.int64)
    divider = StratifiedGroupKFold(folds, shuffle=True, random_state=derive_seed(seed, "folds"))
    with warnings.catch_warnings():
        # a class with fewer samples than folds: `_check_classes` says so more clearly
        warnings.simplefilter("ignore", UserWarning)
        for number, (_, inside) in enumerate(divider.split(labels, labels, units)):
            numbers[inside] = number
    if len(np.unique(numbers)) < folds:
        raise DataError(f"the groups are too unlike for {folds} folds: one would stay empty; ask for fewer")
    return numbers


def k_shot(indices: Indices, labels: Sequence[str], k: int, seed: int) -> Indices:
    """Draws k samples of each class from `indices`; the draw depends on their order.

    Args:
        indices: Indices to draw from.
        labels: The class of each sample of the dataset.
        k: Samples of each class.
        seed: Seed of the draw.

    Returns:
        The indices that were drawn, sorted.

    Raises:
        DataError: A class has fewer than k.
    """
    chosen: list[int] = []
    names, kinds = np.unique([labels[i] for i in indices], return_inverse=True)
    for kind, name in enumerate(names.tolist()):
        members = indices[kinds == kind]
        if len(members) < k:
            raise DataError(
                f"class {name} has {len(members)} training images; {k} were asked for; lower "
                "data.budget.labels_per_class"
            )
        chosen += generator(seed, "k-shot", name).choice(members, size=k, replace=False).tolist()
    return np.sort(np.array(chosen, dtype=np.int64))


def few_groups(samples: Sequence[Sample], indices: Indices, count: int, seed: int) -> Indices:
    """Draws `count` groups: of several draws that hold every class, the one with the nearest class shares.

    Args:
        samples: All samples of the dataset.
        indices: Indices of the training samples to draw from.
        count: Number of groups to keep.
        seed: Seed of the draws.

    Returns:
        Those of `indices` whose samples are in the drawn groups, int64, in their order.

    Raises:
        DataError: There are fewer groups, or no draw of that many holds every class.
    """
    owner = _numbered([samples[i].group or samples[i].id for i in indices])
    groups = int(owner.max()) + 1
    if groups < count:
        raise DataError(
            f"the training split has {groups} groups; {count} were asked for; lower data.budget.train_groups"
        )
    counts = _count(owner, [str(samples[i].label) for i in indices])
    shares = counts.sum(axis=0) / counts.sum()
    best, cost, complete = np.zeros(groups, dtype=np.bool_), math.inf, 0
    for attempt in range(TRIES):
        shuffled = generator(seed, "few-groups", attempt).permutation(groups)
        drawn, _ = _one_of_each(counts, 0, shuffled)
        if drawn.sum() > count:
            continue
        drawn[shuffled[~drawn[shuffled]][: count - drawn.sum()]] = True
        have = drawn @ counts
        now = float(np.abs(have / have.sum() - shares).sum())
        best, cost = (drawn, now) if now < cost else (best, cost)
        complete += 1
        if complete == BEST_OF:
            break
    if not complete:
        raise DataError(f"no draw of {count} groups holds every class; raise data.budget.train_groups")
    return indices[best[owner]]


def _cut(
    samples: Sequence[Sample], units: Indices, pool: Indices, share: float, keep: int, seed: int, purpose: str
) -> Indices:
    """Draws whole units of `pool` that best hold `share` of each class and domain, over several draws.

    Args:
        samples: All samples of the dataset.
        units: int64, the unit of each sample.
        pool: Indices of the samples to divide.
        share: Share to take of each class and domain.
        keep: Units of each class that must be left over for the other splits.
        seed: Seed of the draws.
        purpose: Name of the split, part of the draw.
    """
    if not len(pool):
        return pool
    owner = _numbered(units[pool].tolist())
    by_class = _count(owner, [str(samples[i].label) for i in pool])
    by_domain = _count(owner, [samples[i].domain for i in pool])
    counts = hstack([by_class, by_domain], format="csr") if by_domain.shape[1] > 1 else by_class
    wanted = counts.sum(axis=0) * share
    contents = _contents(counts)
    best, cost, complete = np.zeros(len(contents), dtype=np.bool_), math.inf, 0
    possible = (np.diff(by_class.tocsc().indptr) > keep).all()
    for attempt in range(TRIES if possible else 1):
        shuffled = generator(seed, "split", purpose, attempt).permutation(len(contents))
        taken, spare = _one_of_each(by_class, keep, shuffled)
        if spare is None:
            best = best if complete else taken  # lets the check of the classes name what is missing
            continue
        _fill(taken, contents, wanted, spare, shuffled)
        off = np.abs(taken @ counts - wanted)
        now = float((off / np.maximum(wanted, 1.0)).sum())
        best, cost = (taken, now) if now < cost else (best, cost)
        complete += 1
        if off.max() <= 0.5 or complete == min(BEST_OF, max(1, UNITS_VISITED // len(contents))):
            break  # whole samples come no nearer, or enough was tried
    return pool[best[owner]]


def _numbered(names: Sequence[Hashable]) -> Indices:
    """Numbers names by their first occurrence: their own order may differ with the salt, and a split must not."""
    first: dict[Hashable, int] = {}
    return np.array([first.setdefault(name, len(first)) for name in names], dtype=np.int64)


def _count(owner: Indices, names: Sequence[str]) -> csr_array:
    """Counts the samples of each name in each unit: sparse [units, names], as most units hold one class of many."""
    kinds, kind = np.unique(names, return_inverse=True)
    return coo_array((np.ones(len(owner)), (owner, kind)), shape=(int(owner.max()) + 1, len(kinds))).tocsr()


def _contents(counts: csr_array) -> list[list[tuple[int, float]]]:
    """Lists the filled cells of each unit: plain Python is many times faster than NumPy on rows of two numbers."""
    cells = list(zip(counts.indices.tolist(), counts.data.tolist(), strict=True))
    return [cells[start:stop] for start, stop in pairwise(counts.indptr.tolist())]


def _one_of_each(by_class: csr_array, keep: int, shuffled: Indices) -> tuple[NDArray[np.bool_], list[int] | None]:
    """Takes units in the shuffled order until each class is held, rare classes first, and leaves `keep` of each.

    Returns:
        Which units were taken, and how many more of each class may be taken; None where a class found no unit.
    """
    taken, spare = np.zeros(len(shuffled), dtype=np.bool_), np.diff(by_class.tocsc().indptr) - keep
    complete = True
    drawn = by_class[shuffled].tocsc()  # its columns list the holders of a class in the shuffled order
    for kind in np.argsort(spare, kind="stable"):
        members = shuffled[drawn.indices[drawn.indptr[kind] : drawn.indptr[kind + 1]]]
        if taken[members].any():
            continue
        for unit in members:
            held = by_class.indices[by_class.indptr[unit] : by_class.indptr[unit + 1]]
            if (spare[held] > 0).all():
                taken[unit] = True
                spare[held] -= 1
                break
        else:
            complete = False
    return taken, spare.tolist() if complete else None


def _fill(
    taken: NDArray[np.bool_],
    contents: Sequence[Sequence[tuple[int, float]]],
    wanted: NDArray[np.float64],
    spare: list[int],
    shuffled: Indices,
) -> None:
    """Takes, in the shuffled order, all units that bring the counts nearer to the wanted ones; changes `taken`."""
    gap, scale = wanted.tolist(), np.maximum(wanted, 1.0).tolist()
    for unit in np.flatnonzero(taken).tolist():
        for column, count in contents[unit]:
            gap[column] -= count
    for unit in shuffled[~taken[shuffled]].tolist():
        change = 0.0
        for column, count in contents[unit]:
            change += (abs(gap[column] - count) - abs(gap[column])) / scale[column]
        # the first columns are the classes
        if change < 0 and all(spare[column] > 0 for column, _ in contents[unit] if column < len(spare)):
            taken[unit] = True
            for column, count in contents[unit]:
                gap[column] -= count
                if column < len(spare):
                    spare[column] -= 1


def _check_apart(splits: Mapping[str, Indices], units: Indices) -> None:
    for first, second in (("train", "validation"), ("train", "test"), ("validation", "test")):
        shared = np.intersect1d(units[splits[first]], units[splits[second]])
        if len(shared):
            raise LeakError(
                f"the data's own split puts {len(shared)} groups or sets of duplicates into both {first} and {second}; "
                f"give each group one split, or none to have the data divided anew"
            )


def _check_classes(
    splits: Mapping[str, Indices],
    samples: Sequence[Sample],
    units: Indices,
    splits_exempt: Collection[str],
    classes_exempt: Collection[str],
) -> None:
    names, kinds = np.unique([str(sample.label) for sample in samples], return_inverse=True)
    needed = ~np.isin(names, list(classes_exempt))
    for split in (split for split in SPLITS if split not in splits_exempt):
        for kind in np.flatnonzero(needed & (np.bincount(kinds[splits[split]], minlength=len(names)) == 0)):
            groups = len(np.unique(units[kinds == kind]))
            raise DataError(
                f"class {names[kind]} has no sample in {split}: its {int((kinds == kind).sum())} samples form {groups} "
                f"groups, and no group may be divided; add groups of that class or leave the class out"
            )
