"""Leaks between the splits that the data fix: images that are copies of others, or of the same group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.samples import Sample

Indices = NDArray[np.int64]
LEARNING = ("train", "validation")


@dataclass(frozen=True)
class Leak:
    """A split that is not independent of those before it.

    Attributes:
        split: The split that evaluates: "test" or "validation".
        earlier: Indices of samples in the splits before it that share a unit with samples of the split.
        later: Indices of samples of the split that share a unit with those.
        duplicates: Number of `later` that are copies; the rest are of the same group.
        size: Number of samples in the split.
    """

    split: str
    earlier: Indices
    later: Indices
    duplicates: int
    size: int

    @property
    def sentence(self) -> str:
        """The leak as a sentence for reports without a full stop: how many images of the split are duplicates of
        earlier ones.

        Images that only share a group with earlier ones are counted after that.
        """
        before = "training" if self.split == "validation" else "training or validation"
        found = f"{self.duplicates} of {self.size} {self.split} images are duplicates of {before} images"
        if others := len(self.later) - self.duplicates:
            found += f", {others} more are of the same groups"
        return found


def with_their_group(named: NDArray[np.str_], units: Indices) -> NDArray[np.str_]:
    """Assigns samples without a split to the validation or test split that holds others of their unit.

    Args:
        named: [N] split of each sample, "" where the data name none.
        units: int64 [N], unit of each sample.

    Returns:
        A copy of `named`; "" stays where no sample of the unit is in validation or test. Test wins over validation.
    """
    sent = named.copy()
    for name in ("validation", "test"):
        sent[(named == "") & np.isin(units, units[named == name])] = name
    return sent


def find_leaks(
    samples: Sequence[Sample], clusters: Indices, units: Indices, among: NDArray[np.bool_]
) -> tuple[Leak, ...]:
    """Finds the units that lie on two sides of the data's own split; a sample without a split follows its unit.

    Args:
        samples: N samples.
        clusters: int64 [N], cluster of duplicates of each sample.
        units: int64 [N], unit of each sample: its group, joined with duplicates.
        among: bool [N], the samples that count.

    Returns:
        The leak from training and validation to the test, and that from training to validation, where there is one.
    """
    named = with_their_group(np.array([sample.split or "" for sample in samples]), units)
    found = []
    for part, before in (("test", LEARNING), ("validation", LEARNING[:1])):
        inside, outside = among & (named == part), among & np.isin(named, before)
        later = np.flatnonzero(inside & np.isin(units, units[outside]))
        if not len(later):
            continue
        earlier = np.flatnonzero(outside & np.isin(units, units[inside]))
        copies = int(np.isin(clusters[later], clusters[outside]).sum())
        found.append(Leak(part, earlier, later, copies, int(inside.sum())))
    return tuple(found)
