"""Side information for zero-shot learning: attributes of every character, and prototypes rendered from fonts."""

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
"""Pictures of a character for each font: thinned and drawn again by so many hands, which resemble writing more
than print does (docs/lab-log.md, 2026-11-26)."""
VERSION = 1
"""Counts up when the same fonts give other pictures."""


@cache
def table() -> AttributeTable:
    """Reads the table of attributes of all 58 characters."""
    return read_table(TABLE)


def prints(labels: Sequence[str], spec: Preprocessing) -> RenderedPrototypes:
    """Renders prototypes of classes: each character in each of the system's fonts, drawn again by a simulated pen.

    Args:
        labels: Classes to render, from `CHARACTERS`.
        spec: Preprocessing of the pictures.

    Returns:
        The preprocessed pictures, the label of each, and a hash of what they were made from.

    Raises:
        DataError: No font has all characters.
        KeyError: A label is not in `CHARACTERS`.
    """
    fonts = find_fonts()
    pictures = {label: [picture for font in fonts for picture in _redrawn(label, font)] for label in labels}
    images = [preprocess(picture, spec) for label in labels for picture in pictures[label]]
    shown = [label for label in labels for _ in pictures[label]]
    facts = repr((VERSION, [font.name for font in fonts], shown)).encode()
    return RenderedPrototypes(images, shown, hashlib.sha256(facts).hexdigest())


@cache
def _redrawn(label: str, font: Font) -> tuple[NDArray[np.float32], ...]:
    """Draws a character of a font in each hand, 0 to 255; cached, because each split of a study needs the same."""
    path = trace(render(CHARACTERS[label].symbol, font, PRINTED_SIDE))
    inks = (redraw(path, SIDE, generator(0, "print", font.name, label, hand)) for hand in range(HANDS))
    return tuple(np.rint(ink * 255).astype(np.float32) for ink in inks)


def knowledge() -> SideInformation:
    """Returns the side information for `shared.zero_shot.features`: table of attributes, and renderer `prints`."""
    return SideInformation(table(), prints)
