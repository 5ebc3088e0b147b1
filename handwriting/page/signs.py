"""Finds vowel signs and other marks by their place: above the headline of a letter, or far below its foot.

The classes are bare letters and digits. A letter with a sign is none of them, however sure a network is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from handwriting.page.segmentation import Cut

HEADLINE_SHARE = 0.75
"""Smallest share of a letter's columns that its headline crosses; the bows of digits cross fewer in one line."""
SLOPE, SLOPE_STEP = 0.2, 0.05
"""Largest slope of a headline: a hand draws each one anew, up to 11 degrees off the line. Step between slopes that are
tried for a letter; for long words it is less."""
LETTER_COLUMNS = 60
"""Columns up to which that step is small enough: at their ends it moves a stroke by 1.5 rows."""
UPPER_PART = 0.45
"""Part of a character, from above, in which its headline may lie: a sign above is less high than its letter."""
USUAL_BODY = 0.75
"""Smallest height of a letter below its headline, as a share of the usual one: less is the crossbar of क or ब."""
ABOVE = 0.14
"""Heights of a letter that ink must rise above the headline, beyond the thickness of the pen, to be a sign: curls and a
shaky hand have less. Of 1,124 characters of DHCD on pages of `benchmarks.pages`, ten are taken for such."""
BELOW = 1.38
"""Largest height of a letter from its headline, as a multiple of the usual one on the page; ु and ू add half of it."""
FEWEST = 3
"""Letters with a headline from which their usual height is taken."""
SHARED_COLUMNS = 0.2
"""Share of a letter's columns under the sign of a neighbour from which the sign belongs to it too: ि bends over क."""


def have_signs(lines: Sequence[Sequence[Cut]], height: float, stroke: float) -> list[list[bool]]:
    """Says which characters of a page have more ink than a bare letter.

    Args:
        lines: The cuts of each line, from left to right.
        height: Rows of a typical character.
        stroke: Thickness of the pen in pixels.

    Returns:
        For each line one truth value a cut.
    """
    headlines = [[headline_row(cut.ink) for cut in line] for line in lines]
    bodies = [
        len(cut.ink) - row
        for line, rows in zip(lines, headlines, strict=True)
        for cut, row in zip(line, rows, strict=True)
        if row is not None
    ]
    usual = float(np.median(bodies)) if len(bodies) >= FEWEST else None
    least = ABOVE * (usual or height) + stroke
    return [_in_line(line, rows, usual, least) for line, rows in zip(lines, headlines, strict=True)]


def _in_line(line: Sequence[Cut], headlines: Sequence[int | None], usual: float | None, least: float) -> list[bool]:
    signs = [_columns_above(cut, row, usual, least) for cut, row in zip(line, headlines, strict=True)]
    found = []
    for cut, row, own in zip(line, headlines, signs, strict=True):
        start, stop = cut.box[1], cut.box[3]
        covered = max(min(stop, last) - max(start, first) for first, last in signs)
        tall = row is not None and usual is not None and len(cut.ink) - row > BELOW * usual
        found.append(own[0] < own[1] or tall or covered > SHARED_COLUMNS * (stop - start))
    return found


def _columns_above(cut: Cut, headline: int | None, usual: float | None, least: float) -> tuple[int, int]:
    """First and last column on the page of the ink that rises above the headline; no columns where none does."""
    if headline is None or headline < least or (usual and len(cut.ink) - headline < USUAL_BODY * usual):
        return (0, 0)
    columns = np.flatnonzero(cut.ink[: round(headline - least / 2)].any(axis=0))
    return cut.box[1] + int(columns[0]), cut.box[1] + int(columns[-1]) + 1


def headline_row(ink: NDArray[np.bool_]) -> int | None:
    """Finds the topmost straight stroke through nearly all columns of a character, in its upper part.

    Args:
        ink: bool [rows, columns], true for ink.

    Returns:
        The first row of the stroke, in the middle column; None without one.
    """
    rows, columns = ink.shape
    along = np.arange(columns) - columns / 2
    tops = []
    steps = round(SLOPE / SLOPE_STEP * max(1.0, columns / LETTER_COLUMNS))
    for slope in np.linspace(-SLOPE, SLOPE, 2 * steps + 1):
        place = np.arange(rows)[:, np.newaxis] + np.rint(slope * along).astype(int)
        level = ink[np.clip(place, 0, rows - 1), np.arange(columns)] & (place >= 0) & (place < rows)
        crossed = np.flatnonzero(level.mean(axis=1) >= HEADLINE_SHARE)
        if len(crossed) and crossed[0] <= UPPER_PART * rows:
            tops.append(int(crossed[0]))
    return min(tops) if tops else None
