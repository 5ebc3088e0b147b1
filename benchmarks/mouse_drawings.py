"""Draws the 46 characters of DHCD as people draw with a mouse: three hands of jittered lines, five widths of the pen.

`mouse_strokes.csv` holds the strokes of each character as the corners of lines, x and y from 0 to 100, drawn for this
project by looking at the shapes of the letters; no data set's pixels are in it.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Stroke = NDArray[np.float64]
"""[N, 2] x and y of the corners of a line, 0 to 100 in the file, in pixels once a hand has drawn it."""
STROKES = Path(__file__).with_name("mouse_strokes.csv")
SIDE = 280
"""Side of the canvas of `handwriting serve`, in pixels."""
PEN_WIDTHS = (6, 10, 16, 22, 28)
"""Widths of the pen in pixels; the canvas has 16."""
PAPER, INK = 255, 17


@dataclass(frozen=True)
class Hand:
    """How someone draws.

    Attributes:
        jitter: Standard deviation by which corners are missed, of a character 100 high.
        tremor: The same for each of the points between.
        rounded: How often corners are rounded; 0 leaves lines with corners.
        slant: Shear to the right.
        aspect: Width of the characters over that in the file.
        height: Height of the characters, as a share of the canvas.
    """

    jitter: float
    tremor: float
    rounded: int
    slant: float
    aspect: float
    height: float


HANDS = {
    "careful": Hand(jitter=1.5, tremor=0.2, rounded=2, slant=0.0, aspect=1.0, height=0.75),
    "quick": Hand(jitter=2.5, tremor=0.4, rounded=2, slant=0.15, aspect=0.85, height=0.6),
    "clumsy": Hand(jitter=3.5, tremor=0.8, rounded=0, slant=-0.08, aspect=1.12, height=0.8),
}


def read_strokes(path: Path = STROKES) -> dict[str, list[Stroke]]:
    """Reads the strokes of each character by its label, in the order in which they are drawn."""
    found: dict[str, list[Stroke]] = {}
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            numbers = np.array(row["stroke"].split(), dtype=np.float64)
            found.setdefault(row["label"], []).append(numbers.reshape(-1, 2))
    return found


def draw(strokes: Sequence[Stroke], hand: Hand, pen_width: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """Draws a character on the canvas.

    Args:
        strokes: Its strokes, as in the file.
        hand: Who draws.
        pen_width: Width of the pen in pixels.
        random: Draws what is uneven.

    Returns:
        uint8 [280, 280], dark ink on white.
    """
    drawn = [_by_hand(stroke, hand, random) for stroke in strokes]
    everything = np.concatenate(drawn)
    low, high = everything.min(axis=0), everything.max(axis=0)
    room = SIDE - pen_width - 4
    scale = min(hand.height * SIDE, room) / (high - low).max()
    free = room - (high - low) * scale
    at = (SIDE - room) / 2 + free * random.uniform(0.2, 0.8, 2)
    canvas = np.full((SIDE, SIDE), PAPER, dtype=np.uint8)
    for points in drawn:
        corners = np.rint(((points - low) * scale + at) * 16).astype(np.int32)
        cv2.polylines(canvas, [corners], False, INK, pen_width, cv2.LINE_AA, 4)
    return canvas


def drawings(seed: int) -> Mapping[tuple[str, str, int], NDArray[np.uint8]]:
    """Draws every character by each hand with each pen.

    Args:
        seed: Seed of all that is uneven.

    Returns:
        By label, hand and width of the pen, uint8 [280, 280].
    """
    return {
        (label, name, width): draw(strokes, hand, width, np.random.default_rng((seed, number, place, width)))
        for number, (label, strokes) in enumerate(read_strokes().items())
        for place, (name, hand) in enumerate(HANDS.items())
        for width in PEN_WIDTHS
    }


def _by_hand(stroke: Stroke, hand: Hand, random: np.random.Generator) -> Stroke:
    points = stroke + random.normal(0, hand.jitter, stroke.shape)
    for _ in range(hand.rounded):
        points = _rounded(points)
    points = _finer(points)
    points = points + random.normal(0, hand.tremor, points.shape)
    return np.stack([hand.aspect * points[:, 0] - hand.slant * points[:, 1], points[:, 1]], axis=1)


def _rounded(points: Stroke) -> Stroke:
    """Cuts the corners of a line once; its ends stay.

    Source: Chaikin, Computer Graphics and Image Processing 3 (1974).
    """
    before, after = points[:-1], points[1:]
    cut = np.stack([0.75 * before + 0.25 * after, 0.25 * before + 0.75 * after], axis=1).reshape(-1, 2)
    return np.concatenate([points[:1], cut, points[-1:]])


def _finer(points: Stroke, step: float = 4.0) -> Stroke:
    """Adds points to a line, as many as a mouse reports."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    places = np.linspace(0.0, along[-1], max(2, round(along[-1] / step)))
    return np.stack([np.interp(places, along, points[:, axis]) for axis in (0, 1)], axis=1)
