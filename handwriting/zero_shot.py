"""What is known of every character without a handwritten picture of it: attributes, and how fonts print it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from handwriting.glyphs.dataset import PRINTED_SIDE, SIDE
from handwriting.glyphs.fonts import Font, find_fonts, render
from handwriting.glyphs.strokes import redraw, trace
from handwriting.labels import CHARACTERS
from handwriting.transforms import preprocess
from shared.seeding import generator
from shared.task import Preprocessing
from shared.zero_shot.attributes import AttributeTable, read_table
from shared.zero_shot.features import RenderedPrototypes, SideInformation

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


def prints(labels: Sequence[str], spec: Preprocessing) -> RenderedPrototypes:
    """Each character in each of the system's fonts, drawn again by a pen.

    Raises:
        DataError: No font has all characters.
    """
    fonts = find_fonts()
    pictures = {label: [picture for font in fonts for picture in _redrawn(label, font)] for label in labels}
    images = [preprocess(picture, spec) for label in labels for picture in pictures[label]]
    shown = [label for label in labels for _ in pictures[label]]
    facts = repr((VERSION, [font.name for font in fonts], shown)).encode()
    return RenderedPrototypes(images, shown, hashlib.sha256(facts).hexdigest())


@cache
def _redrawn(label: str, font: Font) -> tuple[NDArray[np.float32], ...]:
    """A character of a font in each hand, 0 to 255; kept, for each division of a study asks for the same."""
    path = trace(render(CHARACTERS[label].symbol, font, PRINTED_SIDE))
    inks = (redraw(path, SIDE, generator(0, "print", font.name, label, hand)) for hand in range(HANDS))
    return tuple(np.rint(ink * 255).astype(np.float32) for ink in inks)


def knowledge() -> SideInformation:
    """For `shared.zero_shot.features`."""
    return SideInformation(table(), prints)
