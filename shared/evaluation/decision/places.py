"""The places of the slices of a series: what is there several times counts once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.samples import Position

Values = NDArray[np.float64]

SAME_PLACE = 0.1
"""Positions that are this close, in mm or slices, are one place: below any slice spacing, above the rounding of
headers."""
WINDOW: Mapping[str, float] = {"mm": 4.0, "slices": 1.0}
"""Distance from which two places are neighbours, by the unit of their positions. Thick slices lie 4 to 6.5 mm apart:
there the next slice is the neighbour. Thinner slices are averaged over the same extent, so that a finding of one
size counts alike however thin it is cut."""
ROUNDING = 1e-3
"""Part of a mm or slice by which a distance may fall short of `WINDOW`: positions are rounded."""


@dataclass(frozen=True)
class Places:
    """P places of a series, with the slices that lie there.

    Attributes:
        members: [P] indices of the slices of each place; of equal slices at one place only the first.
        at: float64 [P], position of each place, ascending; None where positions are not known: each slice then has a
            place of its own, unless all are equal and are one, and the order says nothing.
        window: Distance from which two places are neighbours, in the unit of `at`.
    """

    members: tuple[NDArray[np.int64], ...]
    at: Values | None = None
    window: float = WINDOW["mm"]

    def mean(self, values: Values) -> Values:
        """Averages values of slices over each place.

        Args:
            values: float64 [slices] or [slices, columns].

        Returns:
            float64 [P] or [P, columns].
        """
        if all(len(rows) == 1 for rows in self.members):
            return values[np.concatenate(self.members)]
        return np.stack([values[rows].mean(axis=0) for rows in self.members])


def find_places(slices: Values, positions: Sequence[Position | None] = ()) -> Places:
    """Finds the places of the slices of a series.

    Args:
        slices: float64 [slices, columns], what is known of each slice: equal rows at one place count once.
        positions: [slices] position of each slice. Where one is None, or units differ, none is known; so if empty.
    """
    known = [one for one in positions if one is not None]
    if not known or len(known) < len(slices) or len({one.unit for one in known}) > 1:
        copies = bool(len(slices)) and bool((slices == slices[0]).all())
        return Places(tuple(np.arange(1 if copies else len(slices)).reshape(-1, 1)))
    values = np.array([one.value for one in known])
    order = np.argsort(values, kind="stable")
    apart = np.diff(values[order]) > SAME_PLACE
    if apart.all():
        return Places(tuple(order[:, np.newaxis]), values[order], WINDOW[known[0].unit])
    groups = np.split(order, np.flatnonzero(apart) + 1)
    return Places(
        tuple(_distinct(slices, rows) for rows in groups),
        np.array([np.unique(values[rows]).mean() for rows in groups]),
        WINDOW[known[0].unit],
    )


def count_places(count: int, positions: Sequence[Position | None] = ()) -> int:
    """Counts the places of a series: its slices, of which those at one position count once; all where none is known.

    Args:
        count: Number of slices.
        positions: [slices] as `find_places` takes them.
    """
    return len(find_places(np.arange(count, dtype=np.float64)[:, np.newaxis], positions).members)


def _distinct(slices: Values, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The slices at one place without those that are equal to another one."""
    if len(rows) == 1:
        return rows
    return rows[np.sort(np.unique(slices[rows], axis=0, return_index=True)[1])]
