"""A line of text cut into characters below its shirorekha.

The headline is taken away column by column, where it is the topmost stroke and as thin as a stroke. What is left
falls apart into pieces: characters, or parts of one (the bar of ग, the dot of ङ). Which neighbouring pieces make a
character is found for the whole line at once, as the grouping of least cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from handwriting.textlines import Components

Box = tuple[int, int, int, int]
"""row0, column0, row1, column1 in pixels; the latter two are the first outside."""
Mask = NDArray[np.bool_]
Labels = NDArray[np.int32]

THIN = 1.7
"""Strokes: a run of ink in a column up to this thick may be headline; more is a bar below it."""
HEADLINE_REACH = 0.35
"""Heights below the top of a component within which its headline runs, slope and waves included."""
SAME_COLUMNS = 0.5
"""Pieces that share this part of the narrower one's columns lie above each other and are one."""
CRUMB = 0.004
"""Squared heights: smaller remains of a headline are no piece."""
NARROW, WIDE = 0.5, 1.15
"""Heights: characters are usually as wide, without their headline."""
NARROW_SCALE, WIDE_SCALE = 0.2, 0.18
"""Heights beyond the usual at which a width costs 1."""
TOO_WIDE = 1.5
"""Heights from which one piece is two characters that touch."""
HALF_LEAST = 0.35
"""Heights that remain on each side of a cut through ink."""
MERGE, MERGE_JOINED, MERGE_WHITE = 0.35, 4.0, 8.0
"""Cost of grouping over a gap: at once, and for each height of gap below a headline and of white paper."""
ALONE, LEADING = 4.0, 2.0
"""Cost of a bar or dot that is a character by itself, or begins one: in Devanagari the bar ends a letter."""
BAR_HEIGHT, BAR_WIDTH = 0.5, 0.4
DOT = 0.33
"""Heights: limits of bars and dots."""
LOOSE = 0.3
"""Heights to the side from which a headline that has broken off is taken for a character's."""
LONGEST = 6
"""Pieces in one character at most."""


@dataclass(frozen=True)
class Cut:
    """One character's ink.

    Attributes:
        box: On the deskewed page.
        ink: bool, of the box.
        headline: bool, of the box: the part of `ink` that may be headline.
    """

    box: Box
    ink: Mask
    headline: Mask


@dataclass(frozen=True)
class _Piece:
    """Part of a line below the headline.

    Attributes:
        start: First column.
        stop: First column behind it.
        numbers: Of the parts of `body` it is made of.
        component: On which it lies; pieces of one component hang on one headline.
        is_bar: Whether it is no more than an upright stroke.
        is_dot: Whether it is no more than a dot.
        crossing: Strokes of ink that a cut before it goes through; 0.0 at a true gap.
    """

    start: int
    stop: int
    numbers: frozenset[int]
    components: frozenset[int]
    is_bar: bool
    is_dot: bool
    crossing: float = 0.0


def cut_line(components: Components, line: Sequence[int], *, height: float, stroke: float) -> list[Cut]:
    """Cuts one line of text into characters, from left to right.

    Args:
        components: Of the deskewed page.
        line: Which of them belong to this line.
        height: Rows of a typical character.
        stroke: Thickness of the pen in pixels.
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
    """Topmost runs of a component's columns, where they are thin and close to its top."""
    result = np.zeros(ink.shape, dtype=np.bool_)
    for number, place in enumerate(ndimage.find_objects(ink), start=1):
        if place is None:
            continue
        own = ink[place] == number
        rows, columns = own.shape
        if rows < DOT * height and columns < 2 * rows:
            continue  # a dot is thin all over
        depth = np.arange(rows)[:, np.newaxis]
        first = own.argmax(axis=0)
        behind = np.where(~own & (depth > first), depth, rows).min(axis=0)
        thin = own.any(axis=0) & (behind - first <= THIN * stroke) & (first <= HEADLINE_REACH * height)
        result[place] |= own & thin & (depth < behind)
    return result


def _pieces(ink: Labels, headline: Mask, height: float, stroke: float) -> tuple[Labels, list[_Piece]]:
    """The map of what lies below the headline, and its pieces from left to right."""
    below = ((ink > 0) & ~headline).astype(np.uint8)
    _, body, stats, _ = cv2.connectedComponentsWithStats(below, connectivity=8)
    body[stats[body, cv2.CC_STAT_AREA] < CRUMB * height**2] = 0
    pieces = []
    for numbers in _above_each_other(stats, [int(one) for one in np.unique(body) if one]):
        pieces += _split(ink, body, numbers, height, stroke)
    return body, sorted(pieces, key=lambda piece: (piece.start + piece.stop, piece.start))


def _above_each_other(stats: NDArray[np.int32], numbers: Sequence[int]) -> list[list[int]]:
    """Parts that share columns, together."""
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
    """The piece of these parts, cut at its thinnest column as long as it is too wide; the right side is renumbered."""
    own = np.isin(body, numbers)
    profile = own.sum(axis=0)
    inked = np.flatnonzero(profile)
    start, stop = int(inked[0]), int(inked[-1]) + 1
    if stop - start <= TOO_WIDE * height:
        return [_piece(ink, own, numbers, height, stroke)]
    margin = round(HALF_LEAST * height)
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
    thickness = np.count_nonzero(own) / tall
    return _Piece(
        start=int(columns[0]),
        stop=int(columns[-1]) + 1,
        numbers=frozenset(numbers),
        components=frozenset(int(one) for one in np.unique(ink[own])),
        is_bar=tall >= BAR_HEIGHT * height and wide <= BAR_WIDTH * height and thickness <= THIN * stroke,
        is_dot=tall <= DOT * height and wide <= DOT * height,
    )


def _grouped(pieces: Sequence[_Piece], height: float) -> list[Sequence[_Piece]]:
    """Neighbours put together into characters: the grouping whose costs add up to least."""
    best, origin = [0.0], [0]
    for stop in range(1, len(pieces) + 1):
        costs = [
            (best[start] + _cost(pieces[start:stop], height), start) for start in range(max(0, stop - LONGEST), stop)
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
    """Of taking these pieces for one character."""
    width = (max(piece.stop for piece in group) - min(piece.start for piece in group)) / height
    cost = float(max(0.0, (NARROW - width) / NARROW_SCALE, (width - WIDE) / WIDE_SCALE)) ** 2
    cost += group[0].crossing
    for before, after in pairwise(group):
        gap = max(0, after.start - before.stop) / height
        joined = bool(before.components & after.components)
        cost += 0.0 if after.crossing else MERGE + (MERGE_JOINED if joined else MERGE_WHITE) * gap
    if all(piece.is_bar or piece.is_dot for piece in group):
        return cost + ALONE
    return cost + (LEADING if group[0].is_bar or group[0].is_dot else 0.0)


def _owners(ink: Labels, body: Labels, groups: Sequence[Sequence[_Piece]], height: float) -> Labels:
    """Whose ink each pixel is: a group's number from 1, or 0. Headlines go to the nearest group that hangs on them."""
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
