"""Measures which altered copies of real slices are found: `python -m benchmarks.copies`.

It reads collections below `MEDTL_DATA`. The threshold was chosen on Cheng, gbm_dicom, Navoneel and
hospitals.zip; Sartaj had no part in it.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.altered_images import ALTERATIONS, Grey, as_grey
from medtl.task import TASK
from shared.data.copies import CopySearch, copies_text, copy_rule_of
from shared.data.descriptors import CopyRule, Descriptors, describe
from shared.errors import DataError
from shared.evaluation.statistics.intervals import wilson

NOW = copy_rule_of(TASK)
BEFORE = CopyRule(mirrored=True, altered=False)
CHOSEN_ON = ("cheng_masks", "gbm_dicom", "navoneel", "hospitals")
HELD_OUT = ("sartaj",)
BLOCK = 64
"""Altered pictures that are searched for at once."""


@dataclass(frozen=True)
class Collection:
    """The slices of one collection: N pictures that are not blank, and their descriptors by both rules."""

    name: str
    pictures: Sequence[Grey]
    now: Descriptors
    before: Descriptors


def read_collection(folder: Path, name: str) -> Collection:
    """Reads all slices of `name`.zip as a viewer would export them."""
    samples = TASK.load(folder / f"{name}.zip", options=TASK.default_options, unlabelled=True).samples
    pictures = []
    for sample in samples:
        try:
            pixels = TASK.read(sample)
        except DataError:
            continue
        if pixels.min() < pixels.max():
            pictures.append(as_grey(pixels))
    now, before = (np.stack([describe(one, rule) for one in pictures]) for rule in (NOW, BEFORE))
    return Collection(name, pictures, now, before)


def altered(collection: Collection, kind: str, rows: NDArray[np.int64], rule: CopyRule) -> Descriptors:
    """Makes the descriptors of altered copies of the pictures at `rows`; the same ones for both rules."""
    alter = ALTERATIONS[kind]
    copies = [alter(collection.pictures[row], np.random.default_rng([3, int(row)])) for row in rows]
    return np.stack([describe(copy, rule) for copy in copies])


def recall(collections: Sequence[Collection], each: int) -> None:
    """Prints the share of altered copies that is found among all pictures of the collections, by kind."""
    searches = [
        (rule, CopySearch(np.concatenate([getattr(one, which) for one in collections]), rule))
        for rule, which in ((BEFORE, "before"), (NOW, "now"))
    ]
    print(f"\nAltered copies found in {', '.join(one.name for one in collections)}, every {each}th slice:")
    print(f"| {'kind':30} | copies | before | now | 95% |")
    totals = np.zeros(3, dtype=np.int64)
    for kind in ALTERATIONS:
        count, hits = 0, [0, 0]
        for collection in collections:
            rows = np.arange(each // 2, len(collection.pictures), each)
            count += len(rows)
            for which, (rule, search) in enumerate(searches):
                hits[which] += sum(found is not None for found in search.kinds(altered(collection, kind, rows, rule)))
        low, high = wilson(hits[1], count)
        print(f"| {kind:30} | {count} | {hits[0] / count:.3f} | {hits[1] / count:.3f} | {low:.3f} to {high:.3f} |")
        totals += (count, *hits)
    print(f"| all kinds | {totals[0]} | {totals[1] / totals[0]:.3f} | {totals[2] / totals[0]:.3f} | |", flush=True)


def pairs(collection: Collection) -> None:
    """Prints the pairs of copies inside a collection, by kind: false ones where it has no copies."""
    search = CopySearch(collection.now, NOW)
    near = list(search.near_pairs())
    more = search.altered_pairs({(one.i, one.j) for one in near}, lambda *_: None)
    highest = sorted((one for one in more), key=lambda one: -one.correlation)
    text = copies_text([one.kind for one in (*near, *highest)]) or "none"
    print(f"pairs in {len(collection.now)} slices of {collection.name}: {text}", flush=True)


def across(one: Collection, other: Collection) -> None:
    """Prints how many slices of one collection are copies of another's."""
    found = CopySearch(other.now, NOW).kinds(one.now)
    print(f"{len(found)} slices of {one.name}, copies of {other.name}: {copies_text(found) or 'none'}", flush=True)


def main() -> None:
    """Measures copies on the collections that chose the threshold, then on the others."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--each", type=int, default=20, help="alter every Nth slice")
    options.add_argument("--collections", nargs="+", default=[*CHOSEN_ON, *HELD_OUT])
    given = options.parse_args()
    folder = Path(os.environ["MEDTL_DATA"])
    for names in (CHOSEN_ON, HELD_OUT):
        read = [read_collection(folder, name) for name in names if name in given.collections]
        for collection in read:
            pairs(collection)
        for one, other in pairwise(read):
            across(one, other)
        if read:
            recall(read, given.each)


if __name__ == "__main__":
    main()
