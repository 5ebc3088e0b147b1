"""Composes pages of real characters and measures how well they are cut: `python -m benchmarks.pages DHCD.zip`.

The characters are DHCD's test images, set in lines and words by `compose_page`; light, noise, texture, ruled lines
and slant are drawn. DHCD stretches every character to a square, so their widths are drawn again.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from handwriting.labels import CHARACTERS, dhcd_label
from handwriting.page.page import Page, read_page
from shared.io.archives import list_sources, read_source
from shared.io.pictures import read_picture

Pixels = NDArray[np.float32]
Owners = NDArray[np.int16]
"""Number of the character whose ink a pixel is, in reading order from 1; 0 for none."""

PAGES = 24
FIRST_SEED = 2000
"""Seeds from here on are unused: costs of `handwriting.page.segmentation` were chosen on 200 to 239, binarisation was
looked at up to 1023."""
MIN_OVERLAP = 0.5
"""Intersection over union of boxes from which on a character counts as cut correctly."""
STRETCH = (0.68, 1.12)
"""Widths are drawn as this share of DHCD's squares; in print र has 0.6 of its height and क 1.1."""


@dataclass(frozen=True)
class Style:
    """The appearance of a page.

    Attributes:
        joined: Whether a shirorekha joins the consonants of a word.
        height: Height of a character, in pixels.
        skew_degrees: Rotation of the page in degrees, positive counter-clockwise.
        noise: Standard deviation of the sensor's noise, in grey levels of 255.
        texture: Standard deviation of the paper's texture, in grey levels of 255.
        shade: Share of the light that is lost at the darkest side.
        ruled: Whether there are printed lines to write on.
        light_ink: Whether ink is light on dark, as chalk on a blackboard.
    """

    joined: bool = False
    height: int = 56
    skew_degrees: float = 0.0
    noise: float = 4.0
    texture: float = 2.0
    shade: float = 0.0
    ruled: bool = False
    light_ink: bool = False

    @classmethod
    def drawn(cls, random: np.random.Generator, *, joined: bool) -> Style:
        """Draws a random style."""
        return cls(
            joined=joined,
            height=int(random.integers(36, 90)),
            skew_degrees=float(random.uniform(-10, 10)),
            noise=float(random.uniform(1, 14)),
            texture=float(random.uniform(0, 6)),
            shade=float(random.uniform(0, 0.6)),
            ruled=bool(random.random() < 0.3),
            light_ink=bool(random.random() < 0.2),
        )


@dataclass(frozen=True)
class Composition:
    """A composed page with its ground truth.

    Attributes:
        pixels: float32 [rows, columns], 0 to 255.
        owners: int16 [rows, columns], number of the character whose ink each pixel is.
        labels: Class of each character, in reading order.
    """

    pixels: Pixels
    owners: Owners
    labels: tuple[str, ...]


def compose_page(
    images: Sequence[Pixels],
    labels: Sequence[str],
    words: Sequence[Sequence[int]],
    style: Style,
    random: np.random.Generator,
) -> Composition:
    """Sets characters in lines and words and photographs the page.

    Args:
        images: float32 [rows, columns], 0 (paper) to 1 (ink), one of each character in reading order.
        labels: Class of each character; consonants have a shirorekha, digits have none.
        words: Lengths of the words, line by line; their sum is the number of images.
        style: Appearance of the page.
        random: Draws places, widths and all that is uneven.
    """
    queue = iter(enumerate(zip(images, labels, strict=True), start=1))
    drawn = [[_word([next(queue) for _ in range(length)], style, random) for length in line] for line in words]
    return _set(drawn, labels, style, random)


def type_page(
    font: Path, labels: Sequence[str], words: Sequence[Sequence[int]], style: Style, random: np.random.Generator
) -> Composition:
    """Sets a font's letters, with their shirorekha and true widths, and photographs the page as `compose_page` does."""
    queue = iter(enumerate(labels, start=1))
    typed = [[_typed_word(font, [next(queue) for _ in range(length)], style) for length in line] for line in words]
    return _set(typed, labels, style, random)


def _set(
    words: Sequence[Sequence[tuple[Pixels, Owners]]], labels: Sequence[str], style: Style, random: np.random.Generator
) -> Composition:
    ink, owners = _below([_in_a_row(line, style, random) for line in words], style, random)
    if style.ruled:
        ink[round(1.9 * style.height) :: round(2.0 * style.height)] += 0.2
    ink = np.clip(ndimage.rotate(np.clip(ink, 0, 1), style.skew_degrees, order=1), 0, 1)
    turned = ndimage.rotate(owners, style.skew_degrees, order=0)
    return Composition(_photograph(ink, style, random), turned, tuple(labels))


def _word(
    entries: Sequence[tuple[int, tuple[Pixels, str]]], style: Style, random: np.random.Generator
) -> tuple[Pixels, Owners]:
    """Draws one word, its headline at the row of half a height."""
    height = style.height
    canvas = np.zeros((round(2.2 * height), round((1.7 * len(entries) + 1) * height)), dtype=np.float32)
    owners = np.zeros(canvas.shape, dtype=np.int16)
    left, top = height // 4, height // 2
    for number, (image, label) in entries:
        glyph = _glyph(image, style, random)
        headline = CHARACTERS[label].kind == "consonant"
        rows, columns = glyph.shape
        joined = headline and style.joined
        at = top + round(height * random.uniform(-0.02, 0.02) if joined else height * random.uniform(-0.08, 0.08))
        at -= _headline_row(glyph) if joined else 0
        canvas[at : at + rows, left : left + columns] = np.maximum(canvas[at : at + rows, left : left + columns], glyph)
        owners[at : at + rows, left : left + columns][glyph > 0.5] = number
        left += columns + round(height * (random.uniform(0.06, 0.22) if joined else random.uniform(0.15, 0.4)))
    inked = np.flatnonzero(owners.any(axis=0))
    if style.joined and CHARACTERS[entries[0][1][1]].kind == "consonant":
        _draw_headline(canvas, top, int(inked[0]), int(inked[-1]) + 1, style, random)
    keep = slice(int(inked[0]), int(inked[-1]) + 1)
    return canvas[:, keep], owners[:, keep]


def _typed_word(font: Path, entries: Sequence[tuple[int, str]], style: Style) -> tuple[Pixels, Owners]:
    """Types one word; a letter begins where the advances of those before it end."""
    face = ImageFont.truetype(str(font), round(1.5 * style.height))
    text = [CHARACTERS[label].symbol for _, label in entries]
    size = (round(face.getlength("".join(text))) + style.height, round(2.2 * style.height))
    canvas, owners = np.zeros(size[::-1], dtype=np.float32), np.zeros(size[::-1], dtype=np.int16)
    at = style.height / 4
    for (number, _), symbol in zip(entries, text, strict=True):
        picture = Image.new("L", size)
        ImageDraw.Draw(picture).text((at, 1.6 * style.height), symbol, fill=255, font=face, anchor="ls")
        letter = np.asarray(picture, dtype=np.float32) / 255
        canvas = np.maximum(canvas, letter)
        owners[letter > 0.5] = number
        at += face.getlength(symbol)
    return canvas, owners


def _glyph(image: Pixels, style: Style, random: np.random.Generator) -> Pixels:
    inked = image > 0.4
    rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    box = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height = style.height * random.uniform(0.88, 1.08)
    width = height * random.uniform(*STRETCH) * box.shape[1] / box.shape[0]
    zoomed = ndimage.zoom(box, (height / box.shape[0], width / box.shape[1]), order=1, grid_mode=True, mode="nearest")
    return np.clip(zoomed, 0, 1).astype(np.float32)


def _headline_row(glyph: Pixels) -> int:
    return int(np.argmax((glyph[: round(0.3 * len(glyph))] > 0.5).sum(axis=1)))


def _draw_headline(canvas: Pixels, row: int, start: int, stop: int, style: Style, random: np.random.Generator) -> None:
    columns = np.arange(start, stop)
    phase, drift = random.uniform(0, 6.3), random.uniform(-0.03, 0.03)
    wave = 0.02 * style.height * np.sin(columns / style.height + phase) + drift * (columns - start)
    half = style.height * random.uniform(0.035, 0.06)
    distance = np.abs(np.arange(canvas.shape[0])[:, np.newaxis] - (row + wave))
    stroke = np.clip(half + 0.5 - distance, 0, 1).astype(np.float32)
    canvas[:, start:stop] = np.maximum(canvas[:, start:stop], stroke)


def _in_a_row(
    words: Sequence[tuple[Pixels, Owners]], style: Style, random: np.random.Generator
) -> tuple[Pixels, Owners]:
    splits = []
    for ink, owners in words:
        gap = round(style.height * random.uniform(0.8, 1.3))
        splits.append(tuple(np.pad(part, ((0, 0), (0, gap))) for part in (ink, owners)))
    return np.hstack([ink for ink, _ in splits]), np.hstack([owners for _, owners in splits])


def _below(lines: Sequence[tuple[Pixels, Owners]], style: Style, random: np.random.Generator) -> tuple[Pixels, Owners]:
    height = style.height
    width = max(ink.shape[1] for ink, _ in lines) + 3 * height
    canvas = np.zeros((round((2.0 * len(lines) + 2) * height), width), dtype=np.float32)
    owners = np.zeros(canvas.shape, dtype=np.int16)
    for index, (ink, own) in enumerate(lines):
        top = round((2.0 * index + 0.5) * height)
        left = height + round(height * random.uniform(0, 0.8))
        place = (slice(top, top + ink.shape[0]), slice(left, left + ink.shape[1]))
        canvas[place] = np.maximum(canvas[place], ink)
        owners[place] = np.where(own > 0, own, owners[place])
    return canvas, owners


def _photograph(ink: Pixels, style: Style, random: np.random.Generator) -> Pixels:
    rows, columns = ink.shape
    angle = random.uniform(0, 2 * np.pi)
    ramp = np.cos(angle) * np.linspace(-1, 1, columns) + np.sin(angle) * np.linspace(-1, 1, rows)[:, np.newaxis]
    light = 1 - style.shade * (ramp - ramp.min()) / np.ptp(ramp)
    grain = ndimage.gaussian_filter(random.normal(size=ink.shape), style.height / 12)
    paper = 225 + style.texture * grain / grain.std()
    page = light * paper * (1 - random.uniform(0.55, 0.85) * ink)
    page = ndimage.gaussian_filter(page, 0.7)
    page = 255 - page if style.light_ink else page
    return np.clip(page + random.normal(0, style.noise, ink.shape), 0, 255).astype(np.float32)


def true_boxes(composition: Composition, page: Page) -> list[tuple[int, int, int, int]]:
    """Finds the box of each character on the deskewed page, in reading order: row0, column0, row1, column1."""
    owners = page.straighten(composition.owners)
    found = ndimage.find_objects(owners)
    return [(box[0].start, box[1].start, box[0].stop, box[1].stop) for box in found]


def overlap(one: Sequence[int], other: Sequence[int]) -> float:
    """Computes the intersection over union of two boxes."""
    rows = max(0, min(one[2], other[2]) - max(one[0], other[0]))
    columns = max(0, min(one[3], other[3]) - max(one[1], other[1]))
    area = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return rows * columns / (area - rows * columns)


def cut_correctly(composition: Composition, page: Page) -> tuple[int, int]:
    """Counts the true characters found in the right order, and the characters found at all.

    Right order: the longest series of pairs of overlapping boxes that both readings have in the same order.
    """
    truth, found = true_boxes(composition, page), [character.box for character in page.characters]
    best = np.zeros((len(truth) + 1, len(found) + 1), dtype=np.int64)
    for row, box in enumerate(truth, start=1):
        for column, other in enumerate(found, start=1):
            match = int(overlap(box, other) >= MIN_OVERLAP)
            best[row, column] = max(best[row - 1, column], best[row, column - 1], best[row - 1, column - 1] + match)
    return int(best[-1, -1]), len(found)


def random_words(
    labels: Sequence[str], random: np.random.Generator, *, lines: int, numbers: float
) -> tuple[list[str], list[list[int]]]:
    """Draws labels in reading order and word lengths by line; `numbers` is the share of words that are numbers."""
    kinds = {kind: [one for one in labels if CHARACTERS[one].kind == kind] for kind in ("consonant", "digit")}
    names: list[str] = []
    words = []
    for _ in range(lines):
        line = [int(random.integers(1, 6)) for _ in range(int(random.integers(2, 5)))]
        for length in line:
            kind = "digit" if random.random() < numbers else "consonant"
            names += [str(name) for name in random.choice(kinds[kind], length)]
        words.append(line)
    return names, words


def random_page(
    images: dict[str, list[Pixels]], style: Style, random: np.random.Generator, *, lines: int = 5
) -> Composition:
    """Composes a page of words of 1 to 5 characters; a quarter of the words are numbers, or with `joined` a sixth."""
    names, words = random_words(sorted(images), random, lines=lines, numbers=1 / 6 if style.joined else 1 / 4)
    chosen = [images[name][int(random.integers(len(images[name])))] for name in names]
    return compose_page(chosen, names, words, style, random)


def dhcd_test(source: Path, *, each: int = 40) -> dict[str, list[Pixels]]:
    """Reads test images of DHCD by class, float32 [32, 32], 0 to 1; `each` of a class, spread over its files."""
    by_class: dict[str, list[str]] = {}
    for name in list_sources(source):
        parts = name.replace("::", "/").split("/")
        label = dhcd_label(parts[-2]) if "Test" in parts[:-2] else None
        if label:
            by_class.setdefault(label, []).append(name)
    return {
        label: [
            read_picture(read_source(name), ground="white") / np.float32(255)
            for name in sorted(names)[:: max(1, len(names) // each)][:each]
        ]
        for label, names in by_class.items()
    }


def measure(images: dict[str, list[Pixels]], *, joined: bool, pages: int = PAGES) -> Iterator[tuple[int, int, int]]:
    """Counts for each random page the characters cut correctly, the true ones and the found ones."""
    for seed in range(FIRST_SEED, FIRST_SEED + pages):
        random = np.random.default_rng((seed, int(joined)))
        style = Style.drawn(random, joined=joined)
        composition = random_page(images, style, random)
        right, found = cut_correctly(composition, read_page(composition.pixels))
        yield right, len(composition.labels), found


def main() -> None:
    """Prints the shares of characters cut correctly, apart and joined."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="DHCD as zip or folder")
    images = dhcd_test(parser.parse_args().source)
    for name, joined in (("apart", False), ("joined", True)):
        counts = np.array(list(measure(images, joined=joined)))
        right, true, found = counts.sum(axis=0)
        worst = (counts[:, 0] / counts[:, 1]).min()
        print(f"{name}: {right} of {true} cut correctly, {right / true:.3f}; found {found}; worst page {worst:.3f}")


if __name__ == "__main__":
    main()
