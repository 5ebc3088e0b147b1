"""Cuts a line of text into characters below its shirorekha.

The headline is removed column by column, where it is the topmost stroke and as thin as a stroke. The rest falls apart
into pieces: characters, or parts of one (the bar of ग, the dot of ङ). The grouping of neighbouring pieces into
characters is the one of least cost for the whole line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from handwriting.page.lines import Components

Box = tuple[int, int, int, int]
"""row0, column0, row1, column1 in pixels; row1 and column1 are the first outside."""
Mask = NDArray[np.bool_]
Labels = NDArray[np.int32]

THIN = 1.7
"""Largest thickness of a headline in strokes: a thicker run of ink in a column is a bar below it."""
HEADLINE_REACH = 0.35
"""Text heights that a headline may lie below the highest ink within one height to the sides: slope and waves."""
SAME_COLUMNS = 0.5
"""Share of the narrower piece's columns from which two pieces lie above each other and are one."""
CRUMB = 0.004
"""Area in squared text heights: smaller remains of a headline are no piece."""
WIDTH = 0.78
"""Usual width of a character without its headline, in text heights. This and the costs were chosen on 80 pages of
`benchmarks.pages` (seeds 200 to 239, by random search, then rounded), and are measured there on others."""
NARROWER, WIDER = 0.26, 0.4
"""Text heights below and above the usual width that cost 1; the cost is quadratic."""
MAX_WIDTH = 1.3
"""Largest width of one character, in text heights; a wider piece is two characters that touch."""
MIN_HALF_WIDTH = 0.35
"""Smallest width, in text heights, on each side of a cut through ink."""
MERGE, MERGE_GAP = 0.7, 16.0
"""Cost of grouping over a gap: of any gap, and for each text height of its width."""
ALONE, LEADING = 2.0, 1.6
"""Cost of a bar or dot that is a character by itself, or starts one: in Devanagari the bar ends a letter."""
BAR_HEIGHT, BAR_WIDTH = 0.5, 0.4
DOT = 0.33
"""Limits of bars and dots in text heights."""
BAR_PURE = 0.85
"""Smallest share of a bar's rows that cross one stroke only; the rest allows a serif or a loop."""
LOOSE = 0.3
"""Text heights to the side within which a broken headline belongs to a character."""
MAX_PIECES = 6
"""Largest number of pieces in one character."""


@dataclass(frozen=True)
class Cut:
    """One character's ink.

    Attributes:
        box: Its box on the deskewed page.
        ink: bool [rows, columns] of the box.
        headline: bool [rows, columns] of the box: the part of `ink` that may be headline.
    """

    box: Box
    ink: Mask
    headline: Mask


@dataclass(frozen=True)
class _Piece:
    """Part of a line below the headline.

    Attributes:
        start: First column.
        stop: First column after it.
        numbers: Labels of its parts in `body`.
        components: Components on which it lies; pieces of one component hang on one headline.
        is_bar: Whether it is only an upright stroke.
        is_dot: Whether it is only a dot.
        crossing: Strokes of ink through which the cut before it goes; 0.0 at a true gap.
    """

    start: int
    stop: int
    numbers: frozenset[int]
    components: frozenset[int]
    is_bar: bool
    is_dot: bool
    crossing: float = 0.0


def cut_line(components: Components, line: Sequence[int], *, height: float, stroke: float) -> list[Cut]:
    """Cuts one line of text into characters.

    Args:
        components: Components of the deskewed page.
        line: Indices of the components of this line, at least one.
        height: Rows of a typical character.
        stroke: Thickness of the pen in pixels.

    Returns:
        The ink of each character, from left to right; empty where the line has no character.
    """
    boxes = components.boxes[list(line)]
    row, column = boxes[:, :2].min(axis=0)
    crop = components.labels[row : boxes[:, 2].max(), column : boxes[:, 3].max()]
    ink = np.where(np.isin(crop, list(line)), crop, 0)
    headline = _headlines(ink, height, stroke)
    body, pieces = _pieces(ink, headline, height, stroke)
    groups = [group for group in _grouped(pieces, height) if not all(piece.is_dot for piece in group)]
    owners = _owners(ink, body, groups, height)
    return [_cut(owners == number, headline, (int(row), int(column))) for number in range(1, len(groups) + 1)]


def _cut(ink: Mask, headline: Mask, origin: tuple[int, int]) -> Cut:
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    inside = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    row, column = origin
    box = (row + int(rows[0]), column + int(columns[0]), row + int(rows[-1]) + 1, column + int(columns[-1]) + 1)
    return Cut(box, ink[inside], ink[inside] & headline[inside])


def _headlines(ink: Labels, height: float, stroke: float) -> Mask:
    """Finds the topmost run of each column, where it is thin and close to the top of the line around it."""
    own = np.isin(ink, _no_dots(ink, height))
    rows = len(own)
    depth = np.arange(rows)[:, np.newaxis]
    first = np.where(own.any(axis=0), own.argmax(axis=0), rows)
    behind = np.where(~own & (depth > first), depth, rows).min(axis=0)
    top = ndimage.minimum_filter1d(first, 2 * round(height) + 1)
    headline = (behind - first <= THIN * stroke) & (first - top <= HEADLINE_REACH * height)
    return np.asarray(own & headline & (depth < behind))


def _no_dots(ink: Labels, height: float) -> list[int]:
    """Lists the components that are larger than a dot, which is as thin as a headline everywhere."""
    places = enumerate(ndimage.find_objects(ink), start=1)
    sides = {number: [one.stop - one.start for one in place] for number, place in places if place is not None}
    return [number for number, side in sides.items() if max(side) > DOT * height]


def _pieces(ink: Labels, headline: Mask, height: float, stroke: float) -> tuple[Labels, list[_Piece]]:
    """Labels the ink below the headline, and finds its pieces from left to right."""
    below = ((ink > 0) & ~headline).astype(np.uint8)
    _, body, stats, _ = cv2.connectedComponentsWithStats(below, connectivity=8)
    body[stats[body, cv2.CC_STAT_AREA] < CRUMB * height**2] = 0
    pieces = []
    for numbers in _above_each_other(stats, [int(one) for one in np.unique(body) if one]):
        pieces += _split(ink, body, numbers, height, stroke)
    return body, sorted(pieces, key=lambda piece: (piece.start + piece.stop, piece.start))


def _above_each_other(stats: NDArray[np.int32], numbers: Sequence[int]) -> list[list[int]]:
    """Groups parts that share columns."""
    groups: list[tuple[int, int, list[int]]] = []
    for number in sorted(numbers, key=lambda one: int(stats[one, cv2.CC_STAT_LEFT])):
        start = int(stats[number, cv2.CC_STAT_LEFT])
        stop = start + int(stats[number, cv2.CC_STAT_WIDTH])
        if groups:
            before, end, members = groups[-1]
            if min(end, stop) - start >= SAME_COLUMNS * min(stop - start, end - before):
                groups[-1] = (before, max(end, stop), [*members, number])
                continue
        groups.append((start, stop, [number]))
    return [members for _, _, members in groups]


def _split(ink: Labels, body: Labels, numbers: list[int], height: float, stroke: float) -> list[_Piece]:
    """Makes a piece of parts, cut at its thinnest column while it is too wide; the right side gets a new label."""
    own = np.isin(body, numbers)
    profile = own.sum(axis=0)
    inked = np.flatnonzero(profile)
    start, stop = int(inked[0]), int(inked[-1]) + 1
    if stop - start <= MAX_WIDTH * height:
        return [_piece(ink, own, numbers, height, stroke)]
    margin = round(MIN_HALF_WIDTH * height)
    at = start + margin + int(np.argmin(profile[start + margin : stop - margin]))
    crossing = float(profile[at]) / stroke
    right = own & (np.arange(own.shape[1]) >= at)
    fresh = int(body.max()) + 1
    body[right] = fresh
    left_numbers = [one for one in numbers if (body == one).any()]
    left = _split(ink, body, left_numbers, height, stroke)
    first, *rest = _split(ink, body, [fresh], height, stroke)
    return [*left, replace(first, crossing=crossing), *rest]


def _piece(ink: Labels, own: Mask, numbers: Sequence[int], height: float, stroke: float) -> _Piece:
    rows, columns = np.flatnonzero(own.any(axis=1)), np.flatnonzero(own.any(axis=0))
    tall, wide = int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1
    runs = np.count_nonzero(np.diff(own[rows[0] : rows[-1] + 1].astype(np.int8), axis=1, prepend=0) == 1, axis=1)
    upright = bool(np.mean(runs == 1) >= BAR_PURE and np.count_nonzero(own) / tall <= THIN * stroke)
    return _Piece(
        start=int(columns[0]),
        stop=int(columns[-1]) + 1,
        numbers=frozenset(numbers),
        components=frozenset(int(one) for one in np.unique(ink[own])),
        is_bar=tall >= BAR_HEIGHT * height and wide <= BAR_WIDTH * height and upright,
        is_dot=tall <= DOT * height and wide <= DOT * height,
    )


def _grouped(pieces: Sequence[_Piece], height: float) -> list[Sequence[_Piece]]:
    """Groups neighbouring pieces into characters, with the least sum of costs."""
    best, origin = [0.0], [0]
    for stop in range(1, len(pieces) + 1):
        costs = [
            (best[start] + _cost(pieces[start:stop], height), start) for start in range(max(0, stop - MAX_PIECES), stop)
        ]
        cost, start = min(costs)
        best.append(cost)
        origin.append(start)
    groups: list[Sequence[_Piece]] = []
    stop = len(pieces)
    while stop:
        groups.insert(0, pieces[origin[stop] : stop])
        stop = origin[stop]
    return groups


def _cost(group: Sequence[_Piece], height: float) -> float:
    """Computes the cost of grouping pieces into one character."""
    width = (max(piece.stop for piece in group) - min(piece.start for piece in group)) / height
    cost = max((WIDTH - width) / NARROWER, (width - WIDTH) / WIDER) ** 2 + group[0].crossing
    for before, after in pairwise(group):
        # at a cut through ink there is no gap to bridge
        cost += 0.0 if after.crossing else MERGE + MERGE_GAP * max(0, after.start - before.stop) / height
    if all(piece.is_bar or piece.is_dot for piece in group):
        return cost + ALONE
    return cost + (LEADING if group[0].is_bar or group[0].is_dot else 0.0)


def _owners(ink: Labels, body: Labels, groups: Sequence[Sequence[_Piece]], height: float) -> Labels:
    """Assigns each pixel of ink to a group, numbered from 1; headlines go to the nearest group that hangs on them."""
    owners = np.zeros(ink.shape, dtype=np.int32)
    if not groups:
        return owners
    extents = []
    hangers: dict[int, list[int]] = {}
    for number, group in enumerate(groups, start=1):
        owners[np.isin(body, [one for piece in group for one in piece.numbers])] = number
        extents.append((min(piece.start for piece in group), max(piece.stop for piece in group)))
        for component in {one for piece in group for one in piece.components}:
            hangers.setdefault(component, []).append(number)
    columns = np.arange(ink.shape[1])
    starts, stops = np.array(extents).T[..., np.newaxis]
    distance = np.maximum(np.maximum(starts - columns, columns - stops + 1), 0).astype(np.float64)
    for component in np.unique(ink[(ink > 0) & (owners == 0)]):
        candidates = np.array(hangers.get(int(component), range(1, len(groups) + 1)))
        nearest = candidates[distance[candidates - 1].argmin(axis=0)]
        if int(component) not in hangers:
            nearest = np.where(distance.min(axis=0) <= LOOSE * height, nearest, 0)
        place = (ink == component) & (owners == 0)
        owners[place] = np.broadcast_to(nearest, ink.shape)[place]
    return owners
