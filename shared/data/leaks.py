"""Images of one part of the data's own split that belong with images of another: copies, or of the same group."""

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
    """Two splits that are not independent.

    Attributes:
        split: The split that judges: "test" or "validation".
        earlier: Indices of the samples, in the splits before it, that belong with some of its own.
        later: Indices of its samples that belong with some of those.
        duplicates: How many of `later` are copies; the rest are of the same group.
        size: Samples in the split.
    """

    split: str
    earlier: Indices
    later: Indices
    duplicates: int
    size: int

    @property
    def sentence(self) -> str:
        """What was found, in words."""
        before = "training" if self.split == "validation" else "training or validation"
        found = f"{self.duplicates} of {self.size} {self.split} images are duplicates of {before} images"
        if others := len(self.later) - self.duplicates:
            found += f", {others} more are of the same groups (patients)"
        return found


def with_their_group(named: NDArray[np.str_], units: Indices) -> NDArray[np.str_]:
    """Sends samples without a split to the validation or test that holds others of their unit."""
    sent = named.copy()
    for name in ("validation", "test"):
        sent[(named == "") & np.isin(units, units[named == name])] = name
    return sent


def find_leaks(
    samples: Sequence[Sample], clusters: Indices, units: Indices, among: NDArray[np.bool_]
) -> tuple[Leak, ...]:
    """What stands on two sides of the split that the data names; a sample without a split follows its unit.

    Args:
        samples: All of them.
        clusters: [N] cluster of duplicates of each.
        units: [N] group of each, joined with its duplicates.
        among: [N] which samples count.

    Returns:
        Of the test against the rest, and of validation against training, those where something was found.
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
