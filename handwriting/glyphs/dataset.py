"""Writes a synthetic dataset of characters, drawn from the system's fonts like writing: PNG by class, `manifest.csv`.

A group is a family of fonts and is in one split only. `glyphs.json` marks the dataset as synthetic, and so
does each picture (IPTC Digital Source Type).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from handwriting.datasets import SYNTHETIC_MARK
from handwriting.glyphs.fonts import FOLDERS, Font, find_fonts, render
from handwriting.glyphs.strokes import redraw, trace
from handwriting.labels import CHARACTERS
from shared.errors import DataError
from shared.io.atomic import new_folder, read_json
from shared.io.pictures import synthetic_png_info
from shared.seeding import generator

COLUMNS = ("path", "label", "group", "split")
VERSION = 2
"""Increased when the same seed and fonts give other files."""
SIDE = 32
"""Pixels, as DHCD has them."""
PRINTED_SIDE = 96
"""Pixels of the printed character that is thinned: strokes are 6 to 15 pixels wide, and have a middle."""
EACH = 70
"""Images per class: 7 of each family when Debian's fonts-deva provides 10 families."""
LABELS = tuple(character.label for character in CHARACTERS.values() if character.kind != "vowel")
"""The 46 classes of DHCD, so that a model of one dataset can be tested on the other."""
HELD_OUT = 0.2
"""Share of the families in the validation split, and in the test split; at least one family each."""
MIN_FAMILIES = 3


def write_glyphs(
    out: Path,
    *,
    labels: Sequence[str] = LABELS,
    each: int = EACH,
    folders: Sequence[str | Path] = FOLDERS,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> Path:
    """Writes a dataset of synthetic characters, whole or not at all; the same seed and fonts give the same bytes.

    Args:
        out: A folder that does not exist or is empty.
        labels: Classes, from `CHARACTERS`.
        each: Images per class; the font families take turns.
        folders: Folders in which fonts are searched.
        seed: Seed of the drawings and of the split.
        progress: Called with (images done, total images).

    Returns:
        `out`, with PNG files by class, `manifest.csv` and `glyphs.json`.

    Raises:
        DataError: `out` is not empty, or there are too few fonts or images.
        KeyError: A label is not in `CHARACTERS`.
    """
    with new_folder(out) as folder:
        families = _families(find_fonts(folders))
        if each < len(families):
            raise DataError(f"images per class are {each}; at least {len(families)} are needed, one per font family")
        rows = []
        for row, pixels in _drawn(labels, each, families, seed):
            path = folder / row["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            PillowImage.fromarray(pixels).save(path, pnginfo=synthetic_png_info())
            rows.append(row)
            progress(len(rows), len(labels) * each)
        _write_table(folder / "manifest.csv", rows)
        fonts = [font.name for faces in families.values() for font in faces]
        facts = {"synthetic": True, "version": VERSION, "seed": seed, "images_per_class": each}
        counts = {"fonts": len(fonts), "families": len(families), "names": fonts}
        (folder / SYNTHETIC_MARK).write_text(json.dumps(facts | counts, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return out


def synthetic_dataset(root: Path, progress: Callable[[int, int], None]) -> Path:
    """Writes the synthetic characters into `root/glyphs`, unless they are there, and returns that folder.

    Args:
        root: Folder for generated data.
        progress: Called with (images done, images in all) while they are written.

    Raises:
        DataError: There are too few fonts to write it, or the existing one was written by another version.
        RunError: `glyphs.json` is damaged.
    """
    out = root / "glyphs"
    if not (out / SYNTHETIC_MARK).is_file():
        write_glyphs(out, each=EACH, progress=progress)
    facts = read_json(out / SYNTHETIC_MARK)
    if (facts.get("version"), facts.get("images_per_class")) != (VERSION, EACH):
        raise DataError(f"{out} was written by another version of handwriting; delete it, and it is written again")
    return out


def _families(fonts: Sequence[Font]) -> Mapping[str, Sequence[Font]]:
    """Groups fonts by family.

    Raises:
        DataError: There are fewer families than a split needs.
    """
    families: dict[str, list[Font]] = {}
    for font in fonts:
        families.setdefault(font.family, []).append(font)
    if len(families) < MIN_FAMILIES:
        raise DataError(
            f"the Devanagari fonts found are of {len(families)} families ({', '.join(families)}); {MIN_FAMILIES} are "
            "needed, for training, validation and test; install more (Debian: fonts-deva), or give data.source=DATA"
        )
    return families


def _splits(families: Sequence[str], seed: int) -> dict[str, str]:
    """Draws the split of each family, which does not depend on the order of the families."""
    drawn = [sorted(families)[index] for index in generator(seed, "glyph split").permutation(len(families))]
    held = max(1, round(HELD_OUT * len(drawn)))
    return {
        family: "test" if place < held else "validation" if place < 2 * held else "train"
        for place, family in enumerate(drawn)
    }


def _drawn(
    labels: Sequence[str], each: int, families: Mapping[str, Sequence[Font]], seed: int
) -> Iterator[tuple[dict[str, str], NDArray[np.uint8]]]:
    """Yields the row and the pixels, uint8 [SIDE, SIDE], of each image; the families, and their faces, take turns."""
    names = list(families)
    splits = _splits(names, seed)
    for label in labels:
        symbol = CHARACTERS[label].symbol
        paths = {font: trace(render(symbol, font, PRINTED_SIDE)) for faces in families.values() for font in faces}
        for number in range(each):
            turn, place = divmod(number, len(names))
            faces = families[names[place]]
            font = faces[turn % len(faces)]
            ink = redraw(paths[font], SIDE, generator(seed, "glyph", font.name, label, number))
            row = (f"{label}/{number:03d}.png", label, font.family, splits[font.family])
            yield dict(zip(COLUMNS, row, strict=True)), np.rint(ink * 255).astype(np.uint8)


def _write_table(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(stream.getvalue(), encoding="utf-8")
