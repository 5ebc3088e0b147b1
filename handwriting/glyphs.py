"""Characters as the system's fonts print them: which fonts have them all, and pictures of single characters."""

from __future__ import annotations

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
"""Where Linux and macOS keep the fonts of all users and of one."""
SUFFIXES = (".ttf", ".otf", ".ttc", ".otc")
MARGIN = 2 / 32
"""Share of the frame left empty on each side, as in DHCD."""
OVERSAMPLING = 4
"""Drawn so many times larger and reduced: hinting would bend small characters to the pixels' grid."""
VIRAMA = "\u094d"
"""The sign between the letters of a cluster."""
NON_JOINER, JOINER = "\u200c", "\u200d"
"""Behind a virama: keep the letters apart and show the sign; take the half form of the first."""


@dataclass(frozen=True)
class Font:
    """One face of a font file.

    Attributes:
        path: The file.
        index: Of the face in a collection; 0 in any other file.
        name: In full ("Annapurna SIL Bold").
        family: Without weight and width ("Annapurna SIL"): faces of one family draw letters alike.
    """

    path: Path
    index: int
    name: str
    family: str


def find_fonts(folders: Sequence[str | Path] = FOLDERS) -> tuple[Font, ...]:
    """The fonts that have all `CHARACTERS` and join the letters of clusters, by name; each name once.

    Args:
        folders: Where to look, below too; those that do not exist are passed over.

    Raises:
        DataError: There is none, or Pillow cannot join letters here.
    """
    if not features.check("raqm"):
        raise DataError(
            "Pillow is without raqm here, which joins the letters of क्ष, त्र and ज्ञ; install libraqm and fribidi, or give "
            "data.source=DATA"
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
            f"no font with all Devanagari letters found under {', '.join(map(str, folders))}; install some "
            "(Debian: fonts-deva), or give data.source=DATA"
        )
    return tuple(found[name] for name in sorted(found))


def render(symbol: str, font: Font, size: int) -> NDArray[np.float32]:
    """A character as a font prints it, as large as the frame without `MARGIN` allows, in the middle.

    Args:
        symbol: As in `handwriting.labels.Character`; the font should have its letters.
        font: One of `find_fonts`.
        size: Pixels a side, at least 8.

    Returns:
        float32 [size, size], 0 to 1, light ink on black.

    Raises:
        DataError: The font draws nothing for the symbol.
    """
    side = size * OVERSAMPLING
    inner = side - 2 * round(MARGIN * side)
    left, top, right, bottom = _loaded(font, side).getbbox(symbol)
    longest = max(right - left, bottom - top)
    if longest <= 0:
        raise DataError(f"font {font.name} draws nothing for {symbol}; take one with all Devanagari letters")
    face = _loaded(font, max(1, int(side * inner / longest)))
    left, top, right, bottom = face.getbbox(symbol)
    picture = PillowImage.new("L", (side, side), 0)
    corner = ((side - (right - left)) / 2 - left, (side - (bottom - top)) / 2 - top)
    ImageDraw.Draw(picture).text(corner, symbol, fill=255, font=face)
    return np.asarray(picture.reduce(OVERSAMPLING), dtype=np.float32) / np.float32(255)


def _files(folders: Iterable[str | Path]) -> Iterator[Path]:
    for folder in folders:
        paths = Path(folder).expanduser().rglob("*")
        yield from sorted(path for path in paths if path.suffix.lower() in SUFFIXES and path.is_file())


def _faces(path: Path, letters: set[int]) -> Iterator[Font]:
    """The faces of a file that have the letters; none of a file that is no font or damaged, as systems have some."""
    try:
        collection = path.suffix.lower() in (".ttc", ".otc")
        faces = TTCollection(path, lazy=True).fonts if collection else [TTFont(path, lazy=True)]
        for index, face in enumerate(faces):
            if letters <= set(face.getBestCmap() or ()):
                names = face["name"]
                family = names.getDebugName(16) or names.getDebugName(1) or path.stem
                yield Font(path, index, names.getDebugName(4) or f"{path.stem} {index}", family)
    except (TTLibError, OSError, KeyError, ValueError):
        return


def _joins(font: Font, cluster: str) -> bool:
    """Whether a cluster has a shape of its own: neither a visible virama nor a half letter beside a whole one."""
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
