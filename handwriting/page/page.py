"""Cuts a photographed page into characters: deskews it, and finds lines, words and the shirorekha of each word."""

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
from handwriting.page.lines import LARGE, Components, find_lines, text_height, without_specks
from handwriting.page.segmentation import Box, Cut, cut_line
from handwriting.page.signs import have_signs
from handwriting.page.turned import turned_notes
from shared.errors import DataError
from shared.io.grey import check_pixels, to_grey

Pixels = NDArray[np.float32]
Mask = NDArray[np.bool_]

MAX_PIXELS = 36_000_000
"""Largest page: A4 at 600 dpi has 34.8 million pixels; cutting them takes 7 s and 0.8 GB (23 bytes each)."""
MIN_SIDE = 16
"""Smallest side of a page in pixels: the strokes of a smaller character cannot be distinguished."""
MIN_HEIGHT = 12
"""Smallest height of text in pixels: DHCD's images have 28, and below half of that letters run together."""
MAX_SKEW_DEGREES = 15.0
"""Largest skew: beyond it, the slanted bars of letters compete with the lines, and no camera is held so."""
COARSE_DEGREES, FINE_DEGREES = 1.0, 0.1
"""Steps of the search for the skew; 0.1 degrees move the end of a line of 1,000 pixels by 2."""
ANGLE_POINTS = 40_000
"""Pixels of ink from which the skew is measured: as good as all of them."""
WORD_GAP = 0.55
"""Text heights between characters of two words; within a word gaps are below 0.45."""
BROKEN_HEADLINE = 0.25
"""Text heights between the shirorekhas of two words. A shirorekha that joins its characters ends with the word, and
printed words are closer (0.44 in Lohit) than characters that are written separately."""
FIRST_WINDOW = 12
"""Windows along the page's shorter side in the first pass, before the height of the writing is known."""
WINDOW = 1.2
"""Side of the window in text heights: it contains a character and the paper around."""
BORDER_BLUR = 41
"""Pixels over which the paper beyond a border is averaged."""
HEADLINE_SHARE = 0.7
"""Smallest share of a word's columns with a shirorekha; the bars that end in it take the rest."""
HEADLINE_SPREAD = 0.05
"""Largest mean deviation of a shirorekha from a straight line, in text heights; arcs of numerals exceed it."""
COLOURS = ("#e03030", "#3080ff", "#20a040")
"""Colours of neighbouring boxes; each is visible on paper and on a blackboard."""
NUMBER_SIZE = 0.3
"""Size of the numbers on the drawing, in text heights."""
PAPER = 0.15
"""Paper around a character's crop, in text heights: `transforms.preprocess` finds the paper by the border."""


@dataclass(frozen=True)
class Character:
    """One character on a page.

    Attributes:
        box: Box of its ink on the deskewed page.
        pixels: float32 [rows, columns], the box with a margin of paper, without the ink of its neighbours, in the
            grey values of the photograph; an input of `transforms.preprocess`.
        has_sign: Whether it has more ink than a bare letter, as one with a vowel sign above or below.
    """

    box: Box
    pixels: Pixels
    has_sign: bool = False


@dataclass(frozen=True)
class Word:
    """A word.

    Attributes:
        characters: Its characters from left to right, at least one.
        headline_row: Row of its shirorekha on the deskewed page; None: it has none, like a number.
    """

    characters: tuple[Character, ...]
    headline_row: int | None


@dataclass(frozen=True)
class Page:
    """A page that was cut into characters.

    Attributes:
        picture: float32 [rows, columns], the deskewed page in grey, in the photograph's unit.
        lines: Lines from top to bottom, each with its words from left to right.
        angle_degrees: Counter-clockwise rotation of the writing on the photograph.
        light_ink: Whether ink is lighter than paper.
        placement: float64 [2, 3], maps (column, row, 1) of the photograph to (column, row) of the deskewed page.
        notes: Warnings about the whole page, such as that it may be turned.
    """

    picture: Pixels
    lines: tuple[tuple[Word, ...], ...]
    angle_degrees: float
    light_ink: bool
    placement: NDArray[np.float64]
    notes: tuple[str, ...] = ()

    @property
    def characters(self) -> tuple[Character, ...]:
        """All characters in reading order."""
        return tuple(one for line in self.lines for word in line for one in word.characters)

    def straighten(self, layer: NDArray[np.int16]) -> NDArray[np.int16]:
        """Deskews a label map of the photograph like the page.

        Args:
            layer: int16 [rows, columns] on the grid of the photograph; 0 for no label.

        Returns:
            int16 [rows, columns] on the grid of `picture`; 0 also beyond the photograph.
        """
        size = (self.picture.shape[1], self.picture.shape[0])
        return np.asarray(cv2.warpAffine(layer, self.placement, size, flags=cv2.INTER_NEAREST))


def read_page(pixels: Pixels) -> Page:
    """Cuts a photograph of a page or a line into characters.

    Args:
        pixels: Finite, [rows, columns] or [rows, columns, 3] (red, green, blue), in any unit, ink darker or lighter
            than the paper, turned by at most `MAX_SKEW_DEGREES`.

    Returns:
        The deskewed page with its lines, words and characters; at least one character.

    Raises:
        DataError: The picture has another shape, is too small, too large or blank, or has no character.
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
    components = Components.from_mask(turned)
    height = text_height(components)
    cuts, signs = _cut_lines(turned, components, height)
    if not cuts:
        raise DataError("no character was found on the page; write larger, or photograph closer and in better light")
    lines = tuple(_words(line, own, picture, height) for line, own in zip(cuts, signs, strict=True))
    return Page(picture, lines, angle, light_ink, placement, turned_notes(_large(components)))


def _check(pixels: Pixels) -> None:
    check_pixels(pixels, "page")
    rows, columns = pixels.shape[:2]
    if min(rows, columns) < MIN_SIDE:
        raise DataError(f"the page has {rows} x {columns} pixels; at least {MIN_SIDE} x {MIN_SIDE} are needed")
    if rows * columns > MAX_PIXELS:
        raise DataError(f"the page has {rows} x {columns} pixels; at most {MAX_PIXELS} are allowed; scale it down")


def _levels(grey: Pixels) -> NDArray[np.uint8]:
    """Scales the page to 256 levels, its lightest pixel 255; 0 stays black: contrast is a share of the light."""
    low, high = float(grey.min()), float(grey.max())
    if low == high:
        raise DataError("the page is blank: all pixels have the same value")
    low = min(low, 0.0)
    return np.asarray(np.rint((grey - low) * (255 / (high - low))), dtype=np.uint8)


def _ink(levels: NDArray[np.uint8], light_ink: bool) -> Mask:
    """Finds ink without specks: first with a window for the page, then with one for the height of the writing."""
    window = min(levels.shape) // FIRST_WINDOW | 1
    height = text_height(Components.from_mask(ink_mask(levels, max(window, MIN_SIDE | 1), light_ink=light_ink)))
    # If the first pass found noise or nothing, a small window may still find faint writing.
    height = max(height, 2.0 * MIN_HEIGHT)
    return without_specks(ink_mask(levels, round(height * WINDOW) | 1, light_ink=light_ink))


def skew_degrees(ink: Mask) -> float:
    """Measures the counter-clockwise rotation of the lines of a page.

    Rows through level lines are either full of ink (most of all at the headlines) or empty. The skew is the angle at
    which the sum of the squared ink of the rows is largest.

    Source: Postl, ICPR 1986, "Detection of linear oblique structures and skew scan in digitized documents".

    Args:
        ink: bool [rows, columns], true for ink.

    Returns:
        The rotation in degrees, about -15 to 15; 0.0 where there is no ink.
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
    """Computes the rotation that makes lines level, and the size (columns, rows) of a page that contains all of it."""
    rows, columns = shape[:2]
    matrix = cv2.getRotationMatrix2D((columns / 2, rows / 2), -degrees, 1.0)
    cosine, sine = abs(matrix[0, 0]), abs(matrix[0, 1])
    size = round(columns * cosine + rows * sine), round(columns * sine + rows * cosine)
    matrix[:, 2] += (np.array(size) - (columns, rows)) / 2
    return matrix, size


def _turned(grey: Pixels, placement: NDArray[np.float64], size: tuple[int, int]) -> Pixels:
    """Rotates the photograph; beyond its borders their paper continues, smoothed so that noise leaves no streaks."""
    turned = cv2.warpAffine(grey, placement, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    smooth = cv2.blur(grey, (BORDER_BLUR, BORDER_BLUR), borderType=cv2.BORDER_REPLICATE)
    beyond = cv2.warpAffine(smooth, placement, size, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    inside = cv2.warpAffine(np.ones(grey.shape, np.uint8), placement, size, flags=cv2.INTER_NEAREST) > 0
    return np.where(inside, turned, beyond)


def _cut_lines(ink: Mask, components: Components, height: float) -> tuple[list[list[Cut]], list[list[bool]]]:
    """Cuts each line into characters, and says which of them have signs."""
    if height < MIN_HEIGHT:
        return [], []
    stroke = 4 * float(cv2.distanceTransform(ink.astype(np.uint8), cv2.DIST_L2, 3)[ink].mean())
    lines = [cut_line(components, line, height=height, stroke=stroke) for line in find_lines(components)]
    cuts = [line for line in lines if line]
    return cuts, have_signs(cuts, height, stroke)


def _large(components: Components) -> list[Mask]:
    """The ink of each component that may be a letter or a word, however the page is turned."""
    boxes, areas = components.boxes[1:], components.areas[1:]
    sides = (boxes[:, 2:] - boxes[:, :2]).min(axis=1)
    order = np.argsort(sides)
    usual = sides[order][np.searchsorted(np.cumsum(areas[order]), areas.sum() / 2)]
    return [
        components.labels[top:bottom, left:right] == number
        for number, (top, left, bottom, right) in enumerate(boxes.tolist(), start=1)
        if sides[number - 1] >= LARGE * usual
    ]


def _words(cuts: list[Cut], signs: list[bool], picture: Pixels, height: float) -> tuple[Word, ...]:
    words: list[list[Cut]] = []
    hung = False
    for run in _runs(cuts):
        hangs = len(run) > 1 and _headline_row(run, height) is not None
        gap = run[0].box[1] - words[-1][-1].box[3] if words else np.inf
        if gap > (BROKEN_HEADLINE if hung and hangs else WORD_GAP) * height:
            words.append([])
        words[-1] += run
        hung = hangs
    has_sign = iter(signs)
    return tuple(
        Word(
            tuple(_character(cut, next(has_sign), picture, height) for cut in word),
            _headline_row(word, height),
        )
        for word in words
    )


def _runs(cuts: list[Cut]) -> list[list[Cut]]:
    """Groups neighbours that touch, such as those that a shirorekha joins."""
    runs = [[cuts[0]]]
    for before, after in pairwise(cuts):
        if after.box[1] > before.box[3]:
            runs.append([])
        runs[-1].append(after)
    return runs


def _headline_row(word: list[Cut], height: float) -> int | None:
    """Finds the row of a shirorekha: thin topmost strokes through most of the word and along one line."""
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


def _character(cut: Cut, has_sign: bool, picture: Pixels, height: float) -> Character:
    """Crops a character with paper around; the ink of others becomes paper."""
    around = max(2, round(PAPER * height))
    row0, column0, row1, column1 = cut.box
    own = np.pad(cut.ink, around).astype(np.uint8)
    rows = np.clip(np.arange(row0 - around, row1 + around), 0, picture.shape[0] - 1)
    columns = np.clip(np.arange(column0 - around, column1 + around), 0, picture.shape[1] - 1)
    crop = picture[np.ix_(rows, columns)]
    # two pixels more than the ink: the soft edge of a stroke belongs to it
    near = cv2.dilate(own, np.ones((5, 5), np.uint8)) > 0
    paper = np.median(crop[~near])
    return Character(cut.box, np.where(near, crop, paper).astype(np.float32), has_sign)


def draw_boxes(page: Page) -> bytes:
    """Draws the box and number of each character, in reading order, on the deskewed page.

    Headlines are drawn in orange.

    Args:
        page: A page with at least one character.

    Returns:
        The bytes of a PNG file.
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
