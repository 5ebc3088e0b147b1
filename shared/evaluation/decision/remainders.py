"""Negative remainders of positive series: what stands in for negative series where there are too few.

Where each patient has a finding, no series is negative, but many of its slices are. Those that do not lie next to a
positive one are, put together, a series without a finding. They say less than a series of a person
without any finding.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shared.evaluation.decision.places import ROUNDING, find_places
from shared.samples import Position

MIN_REMAINDER = 5
"""Fewest places of a negative remainder: our choice; with fewer it is hardly a series."""


def negative_remainder(truth: NDArray[np.bool_], positions: Sequence[Position | None]) -> NDArray[np.int64]:
    """Finds the negative slices of a positive series that do not lie next to a positive one.

    Args:
        truth: bool [slices], whether each slice is positive.
        positions: [slices] place of each slice along the normal.

    Returns:
        Indices of the slices, int64, ascending. Empty where no slice is positive, where positions are not known
        (nothing then says what lies next to a finding), and where fewer than `MIN_REMAINDER` (5) places stay.
    """
    nothing = np.zeros(0, dtype=np.int64)
    # equal rows of `find_places` would be dropped: here each slice stays
    places = find_places(np.arange(len(truth), dtype=np.float64)[:, np.newaxis], positions)
    if not truth.any() or places.at is None:
        return nothing
    marked = np.flatnonzero([truth[rows].any() for rows in places.members])
    numbers = np.arange(len(places.members))
    by_number = np.abs(numbers[:, np.newaxis] - marked).min(axis=1)
    by_distance = np.abs(places.at[:, np.newaxis] - places.at[marked]).min(axis=1)
    kept = (by_number > 1) & (by_distance > places.window + ROUNDING)
    if kept.sum() < MIN_REMAINDER:
        return nothing
    return np.sort(np.concatenate([rows for rows, keep in zip(places.members, kept, strict=True) if keep]))
