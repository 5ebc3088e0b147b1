"""Notices pages that were photographed upside down, or on their side, by their headlines.

Most letters of Devanagari hang on a straight headline, and many have a bar on their right.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from handwriting.page.signs import headline_row

OUTER_PART = 0.3
"""Part of a component, from one of its sides, in which a stroke lies along that side."""
FEWEST = 4
"""Components with a stroke along a side below which nothing is concluded."""
SHARE = 0.4
"""Smallest share of the components with a stroke along the side that is taken for the top."""
LEAD = 1.5
"""How many times as many strokes lie along that side as along the upper one. On upright pages of `benchmarks.pages` no
side has more than the upper one; on 23 of 24 turned ones the true side has 1.6 to 5 times as many."""
TOPS = {
    1: "the page may be turned by 90 degrees clockwise: the headlines of its letters run down their right side",
    2: "the page may be upside down: the headlines of its letters lie below them",
    3: "the page may be turned by 90 degrees counter-clockwise: the headlines of its letters run down their left side",
}
RIGHT, BOTTOM, LEFT = TOPS


def turned_notes(inks: Sequence[NDArray[np.bool_]]) -> tuple[str, ...]:
    """Says how a page may be turned, by the strokes along the sides of its letters.

    Args:
        inks: bool [rows, columns], the ink of each connected component that is large enough for a letter or word.

    Returns:
        One sentence; none where the letters stand upright, or have too few headlines to tell.
    """
    votes = [sum(_has_stroke_on_top(np.rot90(ink, quarter)) for ink in inks) for quarter in range(4)]
    top = max((RIGHT, BOTTOM, LEFT), key=lambda quarter: votes[quarter])
    enough = max(FEWEST, SHARE * len(inks))
    if votes[top] >= max(enough, LEAD * votes[0]):
        return (TOPS[top],)
    return ()


def _has_stroke_on_top(ink: NDArray[np.bool_]) -> bool:
    row = headline_row(ink)
    return row is not None and row <= OUTER_PART * len(ink)
