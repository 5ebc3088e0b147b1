"""Turns printed characters into simulated writing: thins them to the path of a pen, bends it, and draws it again."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]
Points = NDArray[np.float64]

SPUR = 0.05
"""Share of the frame: shorter branches of a thinned glyph come from serifs and corners, not from a pen."""
SMOOTHING = (4, 30)
"""Smallest and largest number of rounds in which each point moves half way to its neighbours, for rounder corners."""
WIDTH = (1.3 / 32, 4.2 / 32)
"""Shares of the frame: widths of pens, uniform on a logarithmic scale; ink covers as much as in DHCD
(docs/lab-log.md)."""
PRESSURE = 0.2
"""Relative standard deviation of a stroke's width along its path."""
DOT = 1.5
"""Width of a dot relative to that of a stroke."""
BENDS = ((3, 0.05), (5, 0.022))
"""For each displacement: points on a side of its grid, and standard deviation as a share of the frame."""
SLANT = (0.1, 0.2)
"""Mean and standard deviation of the shear along x; hands lean forward."""
TURN = 0.08
"""Standard deviation of the rotation, radians."""
ASPECT = 0.18
"""Standard deviation of the logarithm of width over height, before the box is stretched."""
STRETCH = (0.6, 1.0)
"""How far the box of the writing is stretched to fill the frame in both directions; DHCD's fill it (1)."""
MARGIN = 2 / 32
"""Share of the frame left empty on each side, as in DHCD."""
OVERSAMPLING = 4
"""Factor by which pictures are drawn larger and then reduced: OpenCV's lines are whole pixels wide."""
NEIGHBOURS = np.array([[1, 2, 4], [128, 0, 8], [64, 32, 16]], dtype=np.float32)
"""Bits of the neighbours of a pixel, clockwise from the upper left."""


@dataclass(frozen=True)
class PenPath:
    """The path of a pen.

    Attributes:
        points: float64 [N, 2], x and y as shares of the frame, 0 to 1.
        edges: int64 [M, 2], indices of the points that the pen joins.
    """

    points: Points
    edges: NDArray[np.int64]


def trace(glyph: NDArray[np.float32]) -> PenPath:
    """Finds the path of a pen along the middle of the strokes of a printed character.

    Args:
        glyph: float32 [size, size], 0 to 1, light ink on black; size 64 or more, so that strokes have a middle.

    Returns:
        The path; it has no points where there is no ink.
    """
    size = glyph.shape[0]
    line = _pruned(_thinned(glyph > 0.5), round(SPUR * size))
    rows, columns = np.nonzero(line)
    number = np.full(line.shape, -1)
    number[rows, columns] = np.arange(rows.size)
    padded = np.pad(number, 1, constant_values=-1)
    edges = []
    for down, across in ((0, 1), (1, 0), (1, 1), (1, -1)):
        other = padded[rows + 1 + down, columns + 1 + across]
        edges.append(np.stack([np.flatnonzero(other >= 0), other[other >= 0]], axis=1))
    points = (np.stack([columns, rows], axis=1) + 0.5) / size
    return PenPath(points, np.concatenate(edges))


def redraw(path: PenPath, size: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Draws a path as a hand may write it: bent, slanted, with a pen of a random width.

    Args:
        path: Path of a character.
        size: Side of the picture in pixels.
        random: Generator of all variation.

    Returns:
        float32 [size, size], 0 to 1, light ink on black, with DHCD's margin.
    """
    points = _smoothed(path, int(random.integers(SMOOTHING[0], SMOOTHING[1] + 1)))
    points = _bent(points, random)
    width = float(np.exp(random.uniform(*np.log(WIDTH))))
    pressure = np.clip(1.0 + PRESSURE * _field(points, 5, random), 0.5, 1.6)
    points = _boxed(points, width, random.uniform(*STRETCH))
    canvas = _drawn(points, path.edges, width * pressure, size * OVERSAMPLING)
    ink = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    # A scanner's blur, and the levels stretched again as DHCD's are.
    blurred = ndimage.gaussian_filter(ink, random.uniform(0.2, 0.6))
    return np.clip(blurred * random.uniform(1.0, 1.5), 0.0, 1.0, dtype=np.float32)


def _thinned(mask: Mask) -> Mask:
    """Thins ink to lines of one pixel in its middle; a spot becomes a pixel.

    Source: Guo and Hall, Comm. ACM 32 (1989), algorithm A1. The better known one of Zhang and Suen (1984) removes
    diagonal lines of two pixels, such as hairlines of fonts.
    """
    line = np.pad(mask, 1)
    while True:
        before = line.copy()
        for removable in _REMOVABLE:
            line &= ~removable[_around(line)]
        if np.array_equal(line, before):
            break
    return _with_spots(line[1:-1, 1:-1], mask)


def _with_spots(line: Mask, mask: Mask) -> Mask:
    """Adds the middle of each spot of ink that thinning has removed completely, as it does with squares."""
    spots, count = ndimage.label(mask, structure=np.ones((3, 3)))
    lost = sorted(set(range(1, count + 1)) - set(np.unique(spots[line]).tolist()))
    for row, column in ndimage.center_of_mass(mask, spots, lost):
        line[round(row), round(column)] = True
    return line


def _around(line: Mask) -> NDArray[np.uint8]:
    """Encodes the neighbours of each pixel in the bits of `NEIGHBOURS`."""
    bits = cv2.filter2D(line.astype(np.float32), -1, NEIGHBOURS, borderType=cv2.BORDER_CONSTANT)
    return np.rint(bits).astype(np.uint8)


def _removable() -> tuple[Mask, Mask]:
    """Tabulates for both steps of thinning, and each set of neighbours, whether the pixel is removed."""
    sets = (np.arange(256)[:, np.newaxis] >> np.arange(8) & 1).astype(bool)
    northwest, north, northeast, east, southeast, south, southwest, west = sets.T
    pairs = (north, northeast | east), (east, southeast | south), (south, southwest | west), (west, northwest | north)
    strokes = sum((~side & beyond).astype(int) for side, beyond in pairs)
    corners = sum((first | second).astype(int) for first, second in zip(sets.T[::2], sets.T[1::2], strict=True))
    sides = sum((first | second).astype(int) for first, second in zip(sets.T[1::2], sets.T[[2, 4, 6, 0]], strict=True))
    fewer = np.minimum(corners, sides)
    # One stroke passes, and the pixel is neither its end nor inside of it.
    edge = (strokes == 1) & (fewer >= 2) & (fewer <= 3)
    return edge & ~((south | southwest | ~northwest) & west), edge & ~((north | northeast | ~southeast) & east)


_REMOVABLE = _removable()


def _pruned(line: Mask, length: int) -> Mask:
    """Removes branches of up to `length` pixels; isolated strokes stay."""
    kept = line.copy()
    for _ in range(length):
        kept &= ~_ends(kept)
    grown = _ends(kept)
    for _ in range(length):
        grown |= line & ~kept & ndimage.binary_dilation(grown, np.ones((3, 3)))
    kept |= grown
    strokes, _ = ndimage.label(line, structure=np.ones((3, 3)))
    alone = np.setdiff1d(np.unique(strokes), np.unique(strokes[kept]))
    return kept | (line & np.isin(strokes, alone))


def _ends(line: Mask) -> Mask:
    """Finds the ends of lines: pixels with one neighbour, or with two that touch each other."""
    return line & _IS_END[_around(line)]


def _end_table() -> Mask:
    sets = np.arange(256)[:, np.newaxis] >> np.arange(8) & 1
    touching = (sets & np.roll(sets, -1, axis=1)).sum(axis=1)
    count = sets.sum(axis=1)
    return (count == 1) | ((count == 2) & (touching == 1))


_IS_END = _end_table()


def _smoothed(path: PenPath, rounds: int) -> Points:
    """Moves points half way to the mean of their neighbours, repeatedly; ends and dots stay."""
    points, (one, other) = path.points.copy(), path.edges.T
    degree = np.bincount(path.edges.ravel(), minlength=len(points))
    moving = degree >= 2
    for _ in range(rounds):
        total = np.zeros_like(points)
        np.add.at(total, one, points[other])
        np.add.at(total, other, points[one])
        points[moving] += 0.5 * (total[moving] / degree[moving, np.newaxis] - points[moving])
    return points


def _field(points: Points, side: int, random: np.random.Generator) -> Points:
    """Samples a smooth random field, of unit variance at the points of its grid, at each point; float64 [N]."""
    place = np.clip(points.T[::-1], 0.0, 1.0) * (side - 1)
    return ndimage.map_coordinates(random.normal(size=(side, side)), place, order=3, mode="nearest")


def _bent(points: Points, random: np.random.Generator) -> Points:
    moved = points.copy()
    for side, amount in BENDS:
        moved += amount * np.stack([_field(points, side, random) for _ in range(2)], axis=1)
    slant, turn, aspect = random.normal((SLANT[0], 0.0, 0.0), (SLANT[1], TURN, ASPECT))
    shear = np.array([[1.0, -slant], [0.0, 1.0]])
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    scale = np.diag([np.exp(aspect / 2), np.exp(-aspect / 2)])
    return (moved - 0.5) @ (rotation @ shear @ scale).T


def _boxed(points: Points, width: float, stretch: float) -> Points:
    """Moves and stretches points so that strokes of the given width fill the frame up to its margin."""
    low, high = points.min(axis=0), points.max(axis=0)
    extent = np.maximum(high - low, 1e-3)
    room = 1.0 - 2 * MARGIN - width
    whole = room / extent.max()
    # A stroke that is nearly straight stays one.
    each = np.minimum(room / extent, 3 * whole)
    return 0.5 + (points - (low + high) / 2) * whole ** (1 - stretch) * each**stretch


def _drawn(points: Points, edges: NDArray[np.int64], widths: Points, side: int) -> NDArray[np.uint8]:
    canvas = np.zeros((side, side), dtype=np.uint8)
    # OpenCV counts in sixteenths of a pixel with `shift=4`, from the middle of the first one.
    corners = np.rint((points * side - 0.5) * 16).astype(int)
    thick = np.maximum(1, np.rint(widths * side)).astype(int)
    for one, other in edges.tolist():
        cv2.line(canvas, corners[one].tolist(), corners[other].tolist(), 255, int(thick[one]), cv2.LINE_8, 4)
    for dot in np.setdiff1d(np.arange(len(points)), edges):
        radius = int(DOT * widths[dot] * side * 16 / 2)
        cv2.circle(canvas, corners[dot].tolist(), radius, 255, cv2.FILLED, cv2.LINE_8, 4)
    return canvas
