"""The one test for copies: which images are the same picture, used wherever copies are left out or reported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cached_property
from typing import Literal, NamedTuple, get_args

import numpy as np

from shared.data.altered_copies import AlteredSearch
from shared.data.descriptors import CopyRule, Descriptors
from shared.data.near_copies import COPY_CORRELATION, NearSearch
from shared.task import Task

Kind = Literal["near", "mirrored", "altered"]
"""How a copy differs: rescaled or recompressed at most; flipped left to right; of another contrast, sharpness or frame,
mirrored or not."""


class Copy(NamedTuple):
    """Two rows of descriptors that are the same picture.

    Attributes:
        i: The first row.
        j: The second row.
        kind: How they differ.
        correlation: Correlation of their thumbnails, or of aligned edges where they are altered, -1 to 1.
    """

    i: int
    j: int
    kind: Kind
    correlation: float


def copy_rule_of(task: Task) -> CopyRule:
    """Returns the rule by which the application tells copies."""
    return CopyRule(task.flip_invariant, task.altered_copies, task.exact_copies)


def copies_text(kinds: Iterable[Kind | None]) -> str:
    """Writes the numbers of copies by kind, such as "3 near, 1 mirrored, 2 altered"; kinds without a copy are left out.

    Args:
        kinds: Kind of each image; None where it is no copy.
    """
    counts = Counter(kinds)
    return ", ".join(f"{counts[kind]} {kind}" for kind in get_args(Kind) if counts[kind])


class CopySearch:
    """Searches descriptors for copies.

    Args:
        descriptors: uint8 [N, `rule.width`].
        rule: The rule of the application.
    """

    def __init__(self, descriptors: Descriptors, rule: CopyRule) -> None:
        self.descriptors, self.rule = descriptors, rule

    @cached_property
    def _near(self) -> NearSearch:
        return NearSearch(self.descriptors, mirrored=self.rule.mirrored)

    @cached_property
    def _altered(self) -> AlteredSearch | None:
        return AlteredSearch(self.descriptors, mirrored=self.rule.mirrored) if self.rule.altered else None

    def near_pairs(self) -> Iterator[Copy]:
        """Yields all near and mirrored copies among the descriptors, each pair once with i < j."""
        for batch in self._near.pairs():
            best = np.maximum(batch.straight, batch.flipped)
            for at in np.flatnonzero(best >= COPY_CORRELATION):
                # a symmetrical head resembles its own mirror image: the flip must fit better than the picture as it is
                kind: Kind = "mirrored" if batch.flipped[at] > batch.straight[at] else "near"
                yield Copy(int(batch.i[at]), int(batch.j[at]), kind, min(1.0, float(best[at])))

    def altered_pairs(self, known: set[tuple[int, int]], progress: Callable[[int, int], None]) -> Iterator[Copy]:
        """Yields altered copies among the descriptors, each pair once with i < j; none where the rule has none.

        Args:
            known: Pairs (i, j), i < j, that are copies already.
            progress: Called with (done, total).
        """
        if self._altered is not None:
            for pair in self._altered.pairs(known, progress):
                yield Copy(pair.i, pair.j, "altered", pair.correlation)

    def kinds(self, descriptors: Descriptors, altered_among: Collection[int] | None = None) -> list[Kind | None]:
        """Tells which new images are copies of one of the search.

        Args:
            descriptors: uint8 [M, `rule.width`].
            altered_among: Indices of the images for which altered copies are searched; None: all. One search takes
                some 20 ms.

        Returns:
            [M] kinds: the plainest where there are several copies, None where there is none.
        """
        found: list[Kind | None] = [None] * len(descriptors)
        if not len(self.descriptors):
            return found
        highest = np.zeros(len(descriptors), dtype=np.float32)
        for batch in self._near.copies_of(descriptors):
            for at in np.flatnonzero(np.maximum(batch.straight, batch.flipped) >= COPY_CORRELATION):
                i, straight, flipped = int(batch.i[at]), float(batch.straight[at]), float(batch.flipped[at])
                if max(straight, flipped) > highest[i]:
                    highest[i] = max(straight, flipped)
                    found[i] = "mirrored" if flipped > straight else "near"
        if self._altered is not None:
            for i, kind in enumerate(found):
                wanted = kind is None and (altered_among is None or i in altered_among)
                if wanted and self._altered.has_copy_of(descriptors[i]):
                    found[i] = "altered"
        return found
