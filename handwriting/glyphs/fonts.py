"""Finds the system's fonts that have all characters, and renders single characters."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from fontTools.ttLib import TTCollection, TTFont, TTLibError
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont, features

from handwriting.labels import CHARACTERS
from shared.errors import DataError

FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts", "/Library/Fonts")
"""Folders in which Linux and macOS keep the fonts of all users and of one."""
SUFFIXES = (".ttf", ".otf", ".ttc", ".otc")
MARGIN = 2 / 32
"""Share of the frame left empty on each side, as in DHCD."""
OVERSAMPLING = 4
"""Pixels of the em for each of the picture, which is then reduced: hinting bends small characters to their grid."""
VIRAMA = "\u094d"
"""The sign between the letters of a cluster."""
NON_JOINER, JOINER = "\u200c", "\u200d"
"""After a virama: the first keeps the letters apart and shows the sign, the second takes the half form."""


@dataclass(frozen=True)
class Font:
    """One face of a font file.

    Attributes:
        path: The font file.
        index: Index of the face in a collection; 0 in any other file.
        name: Full name ("Annapurna SIL Bold").
        family: Name without weight and width ("Annapurna SIL"): faces of one family draw letters alike.
    """

    path: Path
    index: int
    name: str
    family: str


def find_fonts(folders: Sequence[str | Path] = FOLDERS) -> tuple[Font, ...]:
    """Finds the fonts that have all `CHARACTERS` and join the letters of clusters.

    Args:
        folders: Folders to search with those below them; missing ones are skipped.

    Returns:
        The fonts, at least one, sorted by name; each name once.

    Raises:
        DataError: No font was found, or Pillow cannot join letters here.
    """
    if not features.check("raqm"):
        raise DataError(
            "Pillow has no raqm here, which joins the letters of clusters such as क्ष; install libraqm and fribidi, "
            "or give data.source=DATA"
        )
    letters = {ord(letter) for character in CHARACTERS.values() for letter in character.symbol}
    clusters = [character.symbol for character in CHARACTERS.values() if VIRAMA in character.symbol]
    found: dict[str, Font] = {}
    for path in _files(folders):
        for font in _faces(path, letters):
            if font.name not in found and all(_joins(font, cluster) for cluster in clusters):
                found[font.name] = font
    if not found:
        raise DataError(
            f"no font with all Devanagari letters and clusters found under {', '.join(map(str, folders))}; install "
            "some (Debian: fonts-deva), or give data.source=DATA"
        )
    return tuple(found[name] for name in sorted(found))


def render(symbol: str, font: Font, size: int) -> NDArray[np.float32]:
    """Renders a character in a font, centred and as large as the frame without `MARGIN` allows.

    Args:
        symbol: The character's `symbol` (`handwriting.labels.Character`); the font should have its letters.
        font: A font that `find_fonts` returned.
        size: Side of the picture in pixels, at least 8.

    Returns:
        float32 [size, size], 0 to 1, light ink on black.

    Raises:
        DataError: The font draws nothing for the symbol.
    """
    em = size * OVERSAMPLING
    canvas = PillowImage.new("L", (3 * em, 3 * em), 0)
    ImageDraw.Draw(canvas).text((em, em), symbol, fill=255, font=_loaded(font, em))
    box = canvas.getbbox()
    if box is None:
        raise DataError(f"font {font.name} draws nothing for {symbol!r}; use one with all Devanagari letters")
    ink = canvas.crop(box)
    scale = (size - 2 * max(1, round(MARGIN * size))) / max(ink.size)
    width, height = (max(1, round(side * scale)) for side in ink.size)
    frame = PillowImage.new("L", (size, size), 0)
    # Pillow widens the support when it reduces, so nothing aliases.
    small = ink.resize((width, height), PillowImage.Resampling.BILINEAR)
    frame.paste(small, ((size - width) // 2, (size - height) // 2))
    return np.asarray(frame, dtype=np.float32) / np.float32(255)


def _files(folders: Iterable[str | Path]) -> Iterator[Path]:
    for folder in folders:
        paths = Path(folder).expanduser().rglob("*")
        yield from sorted(path for path in paths if path.suffix.lower() in SUFFIXES and path.is_file())


def _faces(path: Path, letters: set[int]) -> list[Font]:
    """Reads the faces of a file that have the letters; a damaged file, as systems have some, has none."""
    try:
        with path.open("rb") as stream:
            collection = path.suffix.lower() in (".ttc", ".otc")
            faces = TTCollection(stream, lazy=True).fonts if collection else [TTFont(stream, lazy=True)]
            return [
                _named(face, path, index)
                for index, face in enumerate(faces)
                if letters <= set(face.getBestCmap() or ())
            ]
    except (TTLibError, OSError, KeyError, ValueError, struct.error):
        return []


def _named(face: TTFont, path: Path, index: int) -> Font:
    # Numbers of the name table: 1 family in menus of four styles, 16 typographic family, 4 full name.
    name = face["name"].getDebugName
    return Font(path, index, name(4) or f"{path.stem} {index}", name(16) or name(1) or path.stem)


def _joins(font: Font, cluster: str) -> bool:
    """Whether a cluster has its own shape: neither a visible virama nor a half letter next to a whole one."""
    first, second = cluster.split(VIRAMA)
    apart = (f"{first}{VIRAMA}{control}{second}" for control in (NON_JOINER, JOINER))
    try:
        joined = render(cluster, font, 64)
        return not any(np.array_equal(joined, render(text, font, 64)) for text in apart)
    except (DataError, OSError):
        return False


@lru_cache(maxsize=256)
def _loaded(font: Font, pixels: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(font.path, pixels, index=font.index, layout_engine=ImageFont.Layout.RAQM)
