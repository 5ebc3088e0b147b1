"""Text that stands in the pixels themselves: a name or a date there outlives every header that is cleaned.

A heuristic whose finds are to be looked at: rows of letters beside the head, bright on dark. It does not find text over
the head, single letters (the marks of sides), dark or dim text, letters that touch each other or the edge, and letters
below 5 pixels. So nothing found does not mean that nothing is there: of the Navoneel pictures that carry words it finds
about half (docs/lab-log.md).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medtl.datasets import read
from medtl.dicom.reader import read_header
from medtl.nifti import is_volume
from shared.errors import DataError, InputRefused
from shared.io.archives import read_source
from shared.io.atomic import write_text
from shared.io.pictures import is_picture
from shared.samples import Sample

HEIGHTS = (5, 40)
"""Pixels of the small letters of the smallest fonts that can be read, and of the largest that consoles write."""
LETTERS = 3
"""Fewest letters of a row: one or two stand for a side or an orientation."""
WIDEST = 1.6
"""Width of a letter (M, W) by its height."""
THINNEST = 0.12
"""Share of its box that a letter fills at least; a slanted stroke fills less."""
THICKEST = 0.85
"""Share of its box that a letter fills at most; vessels and noise are blobs that fill more."""
STROKE = 0.4
"""Half the width of a stroke by the height of its letter: blobs have more."""
BASELINE = 0.2
"""By the height: how far letters of one row may stand above or below each other."""
SAME_HEIGHT = 1.6
"""Small letters are this much lower than capitals."""
GAP = 1.2
"""By the height: the widest space between two letters of a row; between words stands about half a height."""
BRIGHT = 0.4
"""Of the brightest in the image: text is written at or near it, and loses half of it where a picture was reduced."""
DARK = 0.3
"""Of the brightest: around the letters it is darker than that."""
MOST_PIECES, PIECES_A_LETTER = 20, 3
"""Bright pieces in the image and for each letter up to which it is no noise."""
HEAD_PART = 0.02
"""Of the largest bright region: others this large are parts of the head too. A line of text has no region at all."""

Pixels = NDArray[np.float32]
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Suspect:
    """An image that text may be burned into.

    Attributes:
        source: File as it lies.
        frame: Slice of it, from 0.
        reason: What points to it, in words.
    """

    source: str
    frame: int
    reason: str


def find_suspects(samples: Sequence[Sample], progress: Callable[[int, int], None]) -> list[Suspect]:
    """Looks at every image; those that cannot be read are passed over, for the audit tells of them."""
    stated: dict[str, bool] = {}
    found = []
    for done, sample in enumerate(samples, start=1):
        if sample.source not in stated:
            stated[sample.source] = _is_stated(sample.source)
        if stated[sample.source]:
            found.append(Suspect(sample.source, sample.frame, "Burned In Annotation is YES"))
        elif rows := _rows_of(sample):
            found.append(Suspect(sample.source, sample.frame, _counted(len(rows))))
        progress(done, len(samples))
    return found


def in_words(suspects: Sequence[Suspect], images: int) -> list[str]:
    """A line for each suspect, by the name of its file as it lies, and one that counts them."""
    lines = [f"text suspected in {_name(one)}: {one.reason}" for one in suspects]
    return [
        *lines,
        f"burned-in text is suspected in {len(suspects)} of {images} images; look at them, and at a few more",
    ]


def _name(suspect: Suspect) -> str:
    return f"{suspect.source}, slice {suspect.frame}" if suspect.frame else suspect.source


def write_suspects(suspects: Sequence[Suspect], out: Path) -> None:
    """Writes `burned_in.csv`; it names files and belongs with the data."""
    stream = io.StringIO()
    rows = csv.writer(stream, lineterminator="\n")
    rows.writerow(["path", "frame", "reason"])
    rows.writerows((one.source, one.frame, one.reason) for one in suspects)
    write_text(out / "burned_in.csv", stream.getvalue())


def text_rows(pixels: Pixels) -> list[Box]:
    """Where rows of letters seem to stand beside the head.

    Args:
        pixels: Finite, [rows, columns] or [rows, columns, 3], in any unit.

    Returns:
        Left, top, right and bottom of each row, in pixels, from the top down.
    """
    grey = pixels.max(axis=2) if pixels.ndim == 3 else pixels
    low, high = float(grey.min()), float(grey.max())
    if high <= low:
        return []
    scaled = np.ascontiguousarray((grey - low) * (255.0 / (high - low))).astype(np.uint8)
    return sorted(_rows(_letters(scaled)), key=lambda box: (box[1], box[0]))


def _counted(rows: int) -> str:
    return "a row of what looks like letters" if rows == 1 else f"{rows} rows of what looks like letters"


def _is_stated(source: str) -> bool:
    """Whether the header itself says so. Source: DICOM PS3.3, C.7.6.1.1, Burned In Annotation (0028,0301)."""
    if is_picture(source) or is_volume(source):
        return False
    try:
        return read_header(read_source(source)).burned_in
    except (DataError, InputRefused):
        return False


def _rows_of(sample: Sample) -> list[Box]:
    try:
        pixels = read(sample)
    except (DataError, InputRefused):
        return []
    return text_rows(pixels) if np.isfinite(pixels).all() else []


def _letters(grey: NDArray[np.uint8]) -> list[Box]:
    """Bright, thin pieces of a letter's size that stand apart from the head on dark ground."""
    import cv2

    head = _head(grey)
    bright = ((grey >= BRIGHT * 255) & ~head).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(bright, connectivity=8)
    found = []
    for label in range(1, count):
        left, top, width, height, area = (int(value) for value in stats[label])
        if not HEIGHTS[0] <= height <= HEIGHTS[1] or width > WIDEST * height:
            continue
        # an upright stroke such as I or 1 fills its box altogether
        if area < THINNEST * width * height or (area > THICKEST * width * height and width > 0.4 * height):
            continue
        piece = np.pad((labels[top : top + height, left : left + width] == label).astype(np.uint8), 1)
        if cv2.distanceTransform(piece, cv2.DIST_L2, 3).max() > STROKE * height + 0.5:
            continue
        around = grey[max(0, top - 2) : top + height + 2, max(0, left - 2) : left + width + 2]
        if np.percentile(around, 25) <= DARK * 255:
            found.append((left, top, left + width, top + height))
    # beside true letters lie few other bright pieces (points, rulers); where most are none, it is noise
    return found if count <= MOST_PIECES + PIECES_A_LETTER * len(found) else []


def _head(grey: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """The convex hull of all large bright regions: nose and ears, which may be cut off, and what lies between."""
    import cv2

    level, _ = cv2.threshold(np.minimum(grey, np.uint8(np.percentile(grey, 99) or 255)), 0, 255, cv2.THRESH_OTSU)
    body = (grey > 0.6 * level).astype(np.uint8)
    # frames, rulers and letters must not count as head, nor join it
    solid = cv2.morphologyEx(body, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(solid, connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    head = np.zeros(grey.shape, np.uint8)
    if areas.any():
        parts = np.isin(labels, np.flatnonzero(areas >= HEAD_PART * areas.max())) & (labels > 0)
        cv2.fillConvexPoly(head, cv2.convexHull(cv2.findNonZero(parts.astype(np.uint8))), 1)
    return cv2.dilate(head, np.ones((7, 7), np.uint8)).astype(bool)


def _rows(letters: Sequence[Box]) -> list[Box]:
    """Letters that stand beside each other on one baseline, as the boxes of their rows."""
    rows: list[list[Box]] = []
    for letter in sorted(letters):
        row = next((row for row in rows if _follows(row[-1], letter)), None)
        if row is None:
            rows.append([letter])
        else:
            row.append(letter)
    return [
        (row[0][0], min(one[1] for one in row), row[-1][2], max(one[3] for one in row))
        for row in rows
        if len(row) >= LETTERS
    ]


def _follows(before: Box, letter: Box) -> bool:
    heights = before[3] - before[1], letter[3] - letter[1]
    tall = max(heights)
    return (
        tall <= SAME_HEIGHT * min(heights)
        and abs(before[3] - letter[3]) <= max(1.0, BASELINE * tall)
        and -1 <= letter[0] - before[2] <= GAP * tall
    )
