"""Finding text that is burned into the pixels: a name or a date there survives every cleaning of headers.

A heuristic, whose finds a person must look at: rows of letters outside of the head, bright on dark. It does not find
text over the head, single letters (the marks of sides), dark or dim text, letters that touch each other or the edge,
and letters below 5 pixels. So nothing found does not mean that nothing is there: of the Navoneel pictures that carry
words it finds about half (docs/lab-log.md).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medtl.dicom.reader import read_header
from medtl.nifti import is_volume
from medtl.sample_pixels import read
from shared.errors import DataError, InputRefused
from shared.io.archives import read_source
from shared.io.atomic import write_text
from shared.io.pictures import is_picture
from shared.samples import Sample

LETTER_HEIGHTS = (5, 40)
"""Lowest and highest letters in pixels: small letters of the smallest legible fonts, and the largest of consoles."""
MIN_LETTERS = 3
"""Fewest letters of a row: one or two stand for a side or an orientation."""
MAX_WIDTH = 1.6
"""Largest width of a letter (M, W) in its heights."""
MIN_FILL = 0.12
"""Smallest share of its box that a letter fills; a slanted stroke fills less."""
MAX_FILL = 0.85
"""Largest share of its box that a letter fills; vessels and noise are blobs that fill more."""
MAX_STROKE = 0.4
"""Largest half width of a stroke in heights of its letter: blobs have more."""
BASELINE_SHIFT = 0.2
"""How far letters of one row may stand above or below each other, in heights."""
HEIGHT_RATIO = 1.6
"""Largest ratio of heights in a row: small letters are this much lower than capitals."""
MAX_GAP = 1.2
"""Widest space between two letters of a row, in heights; between words there is about half a height."""
BRIGHT = 0.4
"""Lowest brightness of text, as a share of the brightest pixel: text is written at or near it, and loses half of it
where a picture was reduced."""
DARK = 0.3
"""Highest brightness of the ground around a letter, as a share of the brightest pixel."""
MAX_PIECES, PIECES_A_LETTER = 20, 3
"""Most bright pieces of an image that is not noise: so many, and so many more for each letter."""
HEAD_PART = 0.02
"""Smallest part of the head, as a share of the largest bright region. A line of text has no region at all."""

Pixels = NDArray[np.float32]
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Suspect:
    """An image that text may be burned into.

    Attributes:
        source: The file, as `shared.io.archives` names it.
        frame: Index of the slice in the file, from 0.
        reason: The evidence, as a clause.
    """

    source: str
    frame: int
    reason: str


def find_suspects(samples: Sequence[Sample], progress: Callable[[int, int], None]) -> list[Suspect]:
    """Finds the images that text seems to be burned into, by their headers and their pixels.

    Images that cannot be read are passed over; the audit reports them.

    Args:
        samples: The images.
        progress: Called with (images done, images in all).

    Returns:
        The suspects in the order of `samples`; empty where there are none.
    """
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
    """Describes each suspect in a line of text, by the name of its file, and counts them in a last line.

    Args:
        suspects: The images that text may be burned into; without any, there is the last line alone.
        images: Number of images that were looked at.
    """
    lines = [f"text suspected in {_name(one)}: {one.reason}" for one in suspects]
    return [
        *lines,
        f"burned-in text is suspected in {len(suspects)} of {images} images; look at them, and at a few more",
    ]


def _name(suspect: Suspect) -> str:
    return f"{suspect.source}, slice {suspect.frame}" if suspect.frame else suspect.source


def write_suspects(suspects: Sequence[Suspect], out: Path) -> None:
    """Writes the suspects to `burned_in.csv`, with the columns path, frame and reason.

    The table names files, so keep it with the data.

    Args:
        suspects: The suspects; without any, the table has its heading alone.
        out: Folder of the table.
    """
    stream = io.StringIO()
    rows = csv.writer(stream, lineterminator="\n")
    rows.writerow(["path", "frame", "reason"])
    rows.writerows((one.source, one.frame, one.reason) for one in suspects)
    write_text(out / "burned_in.csv", stream.getvalue())


def text_rows(pixels: Pixels) -> list[Box]:
    """Finds rows of bright letters outside of the head.

    Args:
        pixels: Finite values, [rows, columns] or [rows, columns, 3], in any unit.

    Returns:
        Left, top, right and bottom of each row, in pixels, from the top down; empty where there is none.
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
    """Whether the header states burned-in text. Source: DICOM PS3.3, C.7.6.1.1, Burned In Annotation (0028,0301)."""
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
    """Boxes of the bright, thin pieces of a letter's size outside of the head, on dark ground."""
    import cv2

    head = _head(grey)
    bright = ((grey >= BRIGHT * 255) & ~head).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(bright, connectivity=8)
    found = []
    for label in range(1, count):
        left, top, width, height, area = (int(value) for value in stats[label])
        if not LETTER_HEIGHTS[0] <= height <= LETTER_HEIGHTS[1] or width > MAX_WIDTH * height:
            continue
        # an upright stroke such as I or 1 fills its box altogether
        if area < MIN_FILL * width * height or (area > MAX_FILL * width * height and width > 0.4 * height):
            continue
        piece = np.pad((labels[top : top + height, left : left + width] == label).astype(np.uint8), 1)
        if cv2.distanceTransform(piece, cv2.DIST_L2, 3).max() > MAX_STROKE * height + 0.5:
            continue
        around = grey[max(0, top - 2) : top + height + 2, max(0, left - 2) : left + width + 2]
        if np.percentile(around, 25) <= DARK * 255:
            found.append((left, top, left + width, top + height))
    # around true letters there are few other bright pieces (points, rulers); an image of many more is noise
    return found if count <= MAX_PIECES + PIECES_A_LETTER * len(found) else []


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
    """Boxes of the rows of letters, whose letters follow each other on one baseline."""
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
        if len(row) >= MIN_LETTERS
    ]


def _follows(before: Box, letter: Box) -> bool:
    heights = before[3] - before[1], letter[3] - letter[1]
    tall = max(heights)
    return (
        tall <= HEIGHT_RATIO * min(heights)
        and abs(before[3] - letter[3]) <= max(1.0, BASELINE_SHIFT * tall)
        and -1 <= letter[0] - before[2] <= MAX_GAP * tall
    )
