"""The length of a series, and whether it is like the lengths of series that were judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shared.evaluation.decision.places import find_places
from shared.samples import Position

LENGTH_FACTOR = 2
"""Factor by which a series may be shorter or longer than those that were judged to be like them."""
LARGEST_SPACING_MM = 10.0
"""Most mm that one place stands for: thick slices lie 4 to 7 mm apart. Two slices that lie 60 mm apart show the two,
and not what lies between."""


@dataclass(frozen=True)
class Length:
    """The length of a series.

    Attributes:
        slices: Number of its slices; those at one position count once.
        mm: Extent along the normal that its slices cover, in mm; None where positions are not known in mm, and of a
            single place.
    """

    slices: int
    mm: float | None = None

    @classmethod
    def of(cls, count: int, positions: Sequence[Position | None] = ()) -> Length:
        """Measures a series: from its first to its last place and one spacing (the median) more.

        Of places further apart than `LARGEST_SPACING_MM` (10 mm) that many mm count.

        Args:
            count: Number of slices.
            positions: [slices] as `shared.evaluation.decision.places.find_places` takes them.
        """
        places = find_places(np.arange(count, dtype=np.float64)[:, np.newaxis], positions)
        number = len(places.members)
        if places.at is None or number == 1 or any(one is None or one.unit != "mm" for one in positions):
            return cls(number)
        gaps = np.minimum(np.diff(places.at), LARGEST_SPACING_MM)
        return cls(number, round(float(gaps.sum() + np.median(gaps)), 1))

    def is_like(self, ranges: Mapping[str, Any]) -> bool:
        """Tells whether it is at least half as long as the shortest series that was judged, at most twice the longest.

        The extent decides, and where either side has none in mm the number of slices: 87 slices of 2 mm are as much
        as 24 of 6 mm. A single image is like single images alone; where these were judged beside series, no
        series is too short.

        Args:
            ranges: What `ranges_of` gave.
        """
        fewest, most = ranges["lengths"]
        if self.slices == 1 or most == 1:
            return bool(fewest == 1 and self.slices == 1)
        length, low, high, _ = self.compared(ranges)
        return bool((fewest == 1 or low / LENGTH_FACTOR <= length) and length <= high * LENGTH_FACTOR)

    def compared(self, ranges: Mapping[str, Any]) -> tuple[float, float, float, str]:
        """Finds what is compared with the series that were judged.

        Args:
            ranges: What `ranges_of` gave.

        Returns:
            The length of this series, the shortest and the longest of those, and the unit of all: "mm" or "slices".
        """
        if self.mm is not None and (extents := ranges.get("extents_mm")):
            return self.mm, *extents, "mm"
        return self.slices, *ranges["lengths"], "slices"

    def __str__(self) -> str:
        return f"{self.slices} slices" + ("" if self.mm is None else f", {self.mm:.0f} mm")


def ranges_of(lengths: Sequence[Length]) -> dict[str, Any]:
    """Collects the shortest and the longest of series, as plain data for the model record.

    Args:
        lengths: At least one.

    Returns:
        `lengths` [shortest, longest] in slices, and `extents_mm` [shortest, longest] in mm of those that have an extent
        in mm, None where none has.
    """
    slices = [one.slices for one in lengths]
    extents = [one.mm for one in lengths if one.mm is not None]
    return {
        "lengths": [min(slices), max(slices)],
        "extents_mm": [min(extents), max(extents)] if extents else None,
    }


def range_words(low: float, high: float) -> str:
    """Writes a range without its unit, in whole numbers: "10 to 24", "10"."""
    first, last = f"{low:.0f}", f"{high:.0f}"
    return first if first == last else f"{first} to {last}"
