"""What is known of every character without a handwritten picture of it: attributes, and how fonts print it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from handwriting.glyph_dataset import PRINTED_SIDE, SIDE
from handwriting.glyph_strokes import redraw, trace
from handwriting.glyphs import find_fonts, render
from handwriting.labels import CHARACTERS
from handwriting.transforms import preprocess
from shared.attributes import AttributeTable, read_table
from shared.seeding import generator
from shared.task import Preprocessing
from shared.zero_shot_codes import Knowledge, Prints

TABLE = Path(__file__).with_name("attributes.csv")
HANDS = 4
"""Pictures of a character in each font: thinned and drawn again as by so many hands, which come nearer to writing than
print itself does (docs/lab-log.md, 2026-11-26)."""
VERSION = 1
"""Counts up when the same fonts give other pictures."""


@cache
def table() -> AttributeTable:
    """The attributes of all 58 characters."""
    return read_table(TABLE)


def prints(labels: Sequence[str], spec: Preprocessing) -> Prints:
    """Each character in each of the system's fonts, drawn again by a pen.

    Raises:
        DataError: No font has all characters.
    """
    fonts = find_fonts()
    images, shown = [], []
    for label in labels:
        for font in fonts:
            path = trace(render(CHARACTERS[label].symbol, font, PRINTED_SIDE))
            for hand in range(HANDS):
                ink = redraw(path, SIDE, generator(0, "print", font.name, label, hand))
                images.append(preprocess(np.rint(ink * 255).astype(np.float32), spec))
                shown.append(label)
    facts = repr((VERSION, [font.name for font in fonts], shown)).encode()
    return Prints(images, shown, hashlib.sha256(facts).hexdigest())


def knowledge() -> Knowledge:
    """For `shared.zero_shot_codes`."""
    return Knowledge(table(), prints)
