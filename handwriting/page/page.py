"""A photographed page, cut into its characters: deskewed, in lines and words, each word below its shirorekha."""

from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from handwriting.page.binarise import ink_mask, is_light_ink
from handwriting.page.lines import Components, find_lines, text_height, without_specks
from handwriting.page.segmentation import Box, Cut, cut_line
from shared.errors import DataError
from shared.io.grey import check_pixels, to_grey

Pixels = NDArray[np.float32]
Mask = NDArray[np.bool_]

MAX_PIXELS = 36_000_000
"""A4 at 600 dpi has 34.8 million; cutting them takes 7 s and 0.8 GB (23 bytes for each)."""
MIN_SIDE = 16
"""Pixels; a character of fewer has no strokes that could be told apart."""
MIN_HEIGHT = 12
"""Pixels of the lowest line of text: DHCD's images have 28, and below half of that letters run together."""
MAX_SKEW_DEGREES = 15.0
"""Beyond, the slanted bars of letters compete with the lines; nobody holds a camera so."""
COARSE_DEGREES, FINE_DEGREES = 1.0, 0.1
"""Steps of the search; a tenth of a degree moves the end of a line of 1,000 pixels by 2."""
ANGLE_POINTS = 40_000
"""So many pixels of ink tell the angle as well as all."""
WORD_GAP = 0.55
"""Heights between characters of two words; within a word gaps are below 0.45."""
BROKEN_HEADLINE = 0.25
"""Heights between the shirorekhas of two words. One that joins its characters ends with the word, and printed words
stand closer (0.44 in Lohit) than characters that are written apart."""
FIRST_WINDOW = 12
"""The page's shorter side holds so many windows at first, before the height of the writing is known."""
WINDOW = 1.2
"""Heights: the window holds a character and the paper beside it."""
BORDER_BLUR = 41
"""Pixels along a border over which the paper behind it is averaged."""
HEADLINE_SHARE = 0.7
"""Share of a word's columns in which its shirorekha is seen; the bars that end in it take the rest."""
HEADLINE_SPREAD = 0.05
"""Heights by which it may leave a straight line on average; the arcs of numerals leave it by more."""
COLOURS = ("#e03030", "#3080ff", "#20a040")
"""Neighbouring boxes differ; each is seen on paper and on a blackboard."""
NUMBER_SIZE = 0.3
"""Heights of the numbers on the drawing."""
PAPER = 0.15
"""Heights of paper around a character's crop: `transforms.preprocess` finds the paper by what the border shows."""


@dataclass(frozen=True)
class Character:
    """One character on a page.

    Attributes:
        box: Of its ink on the deskewed page.
        pixels: float32 [rows, columns], grey in the photograph's unit: the box with paper around, and the ink of its
            neighbours painted over, as `transforms.preprocess` takes it.
    """

    box: Box
    pixels: Pixels


@dataclass(frozen=True)
class Word:
    """Characters that belong together, from left to right.

    Attributes:
        characters: At least one.
        headline_row: Where on the deskewed page its shirorekha lies, or None where it has none, as a number has.
    """

    characters: tuple[Character, ...]
    headline_row: int | None


@dataclass(frozen=True)
class Page:
    """What was found.

    Attributes:
        picture: float32 [rows, columns], the deskewed page in grey, in the photograph's unit.
        lines: From top to bottom, each its words from left to right.
        angle_degrees: By which the writing was turned counter-clockwise on the photograph.
        light_ink: Whether ink is lighter than paper.
        placement: float64 [2, 3], from the photograph's (column, row, 1) to the deskewed page's (column, row).
    """

    picture: Pixels
    lines: tuple[tuple[Word, ...], ...]
    angle_degrees: float
    light_ink: bool
    placement: NDArray[np.float64]

    @property
    def characters(self) -> tuple[Character, ...]:
        """All in reading order."""
        return tuple(one for line in self.lines for word in line for one in word.characters)

    def straighten(self, layer: NDArray[np.int16]) -> NDArray[np.int16]:
        """Turns a map that belongs to the photograph (whose pixel is it, 0 for nobody's) like the page."""
        size = (self.picture.shape[1], self.picture.shape[0])
        return np.asarray(cv2.warpAffine(layer, self.placement, size, flags=cv2.INTER_NEAREST))


def read_page(pixels: Pixels) -> Page:
    """Finds the characters on a photograph of a page or a line.

    Args:
        pixels: Finite, [rows, columns] or [rows, columns, 3] (red, green, blue), in any unit, ink darker or lighter
            than the paper, turned by at most `MAX_SKEW_DEGREES`.

    Raises:
        DataError: The picture is of another shape, too small, too large or blank, or no character is found on it.
    """
    _check(pixels)
    grey = to_grey(pixels)
    levels = _levels(grey)
    light_ink = is_light_ink(levels)
    ink = _ink(levels, light_ink)
    angle = skew_degrees(ink)
    placement, size = _placement(grey.shape, angle)
    picture = _turned(grey, placement, size)
    turned = cv2.warpAffine(ink.astype(np.uint8) * 255, placement, size, flags=cv2.INTER_LINEAR) > 127
    lines = tuple(_words(cuts, picture, height) for cuts, height in _cut_lines(turned))
    if not lines:
        raise DataError("no character is found on the page; write larger, or photograph closer and in better light")
    return Page(picture, lines, angle, light_ink, placement)


def _check(pixels: Pixels) -> None:
    check_pixels(pixels, "page")
    rows, columns = pixels.shape[:2]
    if min(rows, columns) < MIN_SIDE:
        raise DataError(f"the page has {rows} x {columns} pixels; at least {MIN_SIDE} x {MIN_SIDE} are needed")
    if rows * columns > MAX_PIXELS:
        raise DataError(f"the page has {rows} x {columns} pixels; at most {MAX_PIXELS} are cut; scale it down")


def _levels(grey: Pixels) -> NDArray[np.uint8]:
    """The page in 256 levels, its lightest pixel 255; 0 stays black, for contrast is a share of the light."""
    low, high = float(grey.min()), float(grey.max())
    if low == high:
        raise DataError("the page is blank: all pixels have the same value")
    low = min(low, 0.0)
    return np.asarray(np.rint((grey - low) * (255 / (high - low))), dtype=np.uint8)


def _ink(levels: NDArray[np.uint8], light_ink: bool) -> Mask:
    """Ink without specks: binarised with a window for the page at first, then with one for the writing's height."""
    window = min(levels.shape) // FIRST_WINDOW | 1
    height = text_height(Components.of(ink_mask(levels, max(window, MIN_SIDE | 1), light_ink=light_ink)))
    # Where only noise or nothing was seen, faint writing may still appear with a small window.
    height = max(height, 2.0 * MIN_HEIGHT)
    return without_specks(ink_mask(levels, round(height * WINDOW) | 1, light_ink=light_ink))


def skew_degrees(ink: Mask) -> float:
    """By which the lines are turned counter-clockwise, -15 to 15.

    Rows through upright lines are either full of ink (most of all at the headlines) or empty: the angle at which the
    squares of the rows' sums of ink are largest.

    Source: Postl, ICPR 1986, "Detection of linear oblique structures and skew scan in digitized documents".
    """
    rows, columns = np.nonzero(ink)
    if len(rows) == 0:
        return 0.0
    step = -(-len(rows) // ANGLE_POINTS)
    rows, columns = rows[::step] - ink.shape[0] / 2, columns[::step] - ink.shape[1] / 2
    coarse = np.arange(-MAX_SKEW_DEGREES, MAX_SKEW_DEGREES + COARSE_DEGREES, COARSE_DEGREES)
    rough = max(coarse, key=lambda angle: _sharpness(rows, columns, angle))
    fine = np.arange(rough - COARSE_DEGREES, rough + COARSE_DEGREES + FINE_DEGREES, FINE_DEGREES)
    return float(max(fine, key=lambda angle: _sharpness(rows, columns, angle)))


def _sharpness(rows: NDArray[np.float64], columns: NDArray[np.float64], degrees: float) -> float:
    angle = np.deg2rad(degrees)
    turned = np.floor(rows * np.cos(angle) + columns * np.sin(angle)).astype(np.int64)
    return float((np.bincount(turned - turned.min()).astype(np.float64) ** 2).sum())


def _placement(shape: tuple[int, ...], degrees: float) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """The turn that makes lines level, and the size (columns, rows) of a page that holds all of it."""
    rows, columns = shape[:2]
    matrix = cv2.getRotationMatrix2D((columns / 2, rows / 2), -degrees, 1.0)
    cosine, sine = abs(matrix[0, 0]), abs(matrix[0, 1])
    size = round(columns * cosine + rows * sine), round(columns * sine + rows * cosine)
    matrix[:, 2] += (np.array(size) - (columns, rows)) / 2
    return matrix, size


def _turned(grey: Pixels, placement: NDArray[np.float64], size: tuple[int, int]) -> Pixels:
    """The photograph turned; behind its borders lies their paper, smoothed so that noise leaves no streaks."""
    turned = cv2.warpAffine(grey, placement, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    smooth = cv2.blur(grey, (BORDER_BLUR, BORDER_BLUR), borderType=cv2.BORDER_REPLICATE)
    beyond = cv2.warpAffine(smooth, placement, size, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    inside = cv2.warpAffine(np.ones(grey.shape, np.uint8), placement, size, flags=cv2.INTER_NEAREST) > 0
    return np.where(inside, turned, beyond)


def _cut_lines(ink: Mask) -> list[tuple[list[Cut], float]]:
    """The characters of each line, and its height."""
    components = Components.of(ink)
    stroke = 4 * float(cv2.distanceTransform(ink.astype(np.uint8), cv2.DIST_L2, 3)[ink].mean()) if ink.any() else 0.0
    height = text_height(components)
    if height < MIN_HEIGHT:
        return []
    result = [(cut_line(components, line, height=height, stroke=stroke), height) for line in find_lines(components)]
    return [(cuts, height) for cuts, height in result if cuts]


def _words(cuts: list[Cut], picture: Pixels, height: float) -> tuple[Word, ...]:
    words: list[list[Cut]] = []
    hung = False
    for run in _runs(cuts):
        hangs = len(run) > 1 and _headline_row(run, height) is not None
        gap = run[0].box[1] - words[-1][-1].box[3] if words else np.inf
        if gap > (BROKEN_HEADLINE if hung and hangs else WORD_GAP) * height:
            words.append([])
        words[-1] += run
        hung = hangs
    return tuple(
        Word(tuple(_character(cut, picture, height) for cut in word), _headline_row(word, height)) for word in words
    )


def _runs(cuts: list[Cut]) -> list[list[Cut]]:
    """Neighbours that touch, as those do that a shirorekha joins."""
    runs = [[cuts[0]]]
    for before, after in pairwise(cuts):
        if after.box[1] > before.box[3]:
            runs.append([])
        runs[-1].append(after)
    return runs


def _headline_row(word: list[Cut], height: float) -> int | None:
    """Where thin topmost strokes run through most of the word and along one line."""
    columns, rows = [], []
    for cut in word:
        inked = np.flatnonzero(cut.headline.any(axis=0))
        depth = np.arange(cut.headline.shape[0])[:, np.newaxis]
        middle = (cut.headline * depth).sum(axis=0)[inked] / cut.headline.sum(axis=0)[inked]
        columns.append(inked + cut.box[1])
        rows.append(middle + cut.box[0])
    along, across = np.concatenate(columns), np.concatenate(rows)
    if len(along) < HEADLINE_SHARE * (word[-1].box[3] - word[0].box[1]):
        return None
    bend = np.abs(across - np.polyval(np.polyfit(along, across, 1), along)).mean()
    return int(np.median(across)) if bend <= HEADLINE_SPREAD * height else None


def _character(cut: Cut, picture: Pixels, height: float) -> Character:
    """The crop with paper around; what is not this character's ink becomes paper."""
    around = max(2, round(PAPER * height))
    row0, column0, row1, column1 = cut.box
    own = np.pad(cut.ink, around).astype(np.uint8)
    rows = np.clip(np.arange(row0 - around, row1 + around), 0, picture.shape[0] - 1)
    columns = np.clip(np.arange(column0 - around, column1 + around), 0, picture.shape[1] - 1)
    crop = picture[np.ix_(rows, columns)]
    # Two pixels more than the ink: the soft edge of a stroke belongs to it.
    near = cv2.dilate(own, np.ones((5, 5), np.uint8)) > 0
    paper = np.median(crop[~near])
    return Character(cut.box, np.where(near, crop, paper).astype(np.float32))


def draw_boxes(page: Page) -> bytes:
    """A PNG of the deskewed page with each character's box and its number in reading order, for people to look at.

    Headlines are drawn in orange.
    """
    low, high = float(page.picture.min()), float(page.picture.max())
    grey = np.rint((page.picture - low) * (255 / (high - low))).astype(np.uint8)
    image = PillowImage.fromarray(grey).convert("RGB")
    pen = ImageDraw.Draw(image)
    height = float(np.median([one.box[2] - one.box[0] for one in page.characters]))
    font, width = ImageFont.load_default(max(10.0, NUMBER_SIZE * height)), max(1, round(height / 60))
    for word in (word for line in page.lines for word in line):
        if word.headline_row is not None:
            start, stop = word.characters[0].box[1], word.characters[-1].box[3]
            pen.line((start, word.headline_row, stop, word.headline_row), fill="orange", width=width)
    for number, character in enumerate(page.characters, start=1):
        row0, column0, row1, column1 = character.box
        colour = COLOURS[number % len(COLOURS)]
        pen.rectangle((column0, row0, column1 - 1, row1 - 1), outline=colour, width=width)
        pen.text((column0, row0), str(number), fill=colour, font=font, anchor="lb")
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
