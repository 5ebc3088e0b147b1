"""Compares devanagari with Debian's Tesseract (Hindi) on single characters: `python -m benchmarks.tesseract_peer DHCD`.

Both read the same pictures: test characters of DHCD and NHCD as they are, and the mouse drawings of
`benchmarks.mouse_drawings`. Tesseract gets them as it likes them best: dark ink on white, enlarged, with a margin, page
segmentation 10 (one character), and the alphabet of DHCD alone; that is tried with all of its alphabet too. It was made
for printed lines, so this only says that it is none to compare with. It is Debian's package:

    apt-get install tesseract-ocr tesseract-ocr-hin
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from benchmarks.devanagari_released import SEED, Judged, plain, to_png
from benchmarks.mouse_drawings import drawings
from handwriting.inputs import character_item
from handwriting.labels import CHARACTERS
from handwriting.task import TASK
from shared.errors import MedtlError
from shared.evaluation.statistics.intervals import wilson
from shared.prediction.predictor import Predictor
from shared.runs.named import find_named
from shared.samples import Sample

INSTALL = "tesseract with Hindi is not here; install it: apt-get install tesseract-ocr tesseract-ocr-hin"
HEIGHT, MARGIN = 96, 32
"""Height that the pictures are enlarged to, and white around them, in pixels. Source: "Improving the quality of the
output" in Tesseract's documentation, which asks for a margin and for capital letters of 20 pixels and more."""
Picture = tuple[str, str, bytes]
"""Kind, true class, and the bytes of a picture file."""


def main() -> int:
    """Prints the table; 0 with the command to install where Tesseract is missing, 2 where data cannot be read."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tesseract_peer",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("dhcd", type=Path, help="DHCD as zip or folder")
    parser.add_argument("--nhcd", type=Path, help="NHCD as zip or folder")
    parser.add_argument("--count", type=int, default=460, help="characters of each kind, spread evenly over all")
    parser.add_argument("--split", default="test", choices=("train", "test"), help="part of DHCD that is judged")
    wanted = parser.parse_args()
    if not _is_here():
        print(f"skipped: {INSTALL}")
        return 0
    try:
        predictor = Predictor(find_named(Path("runs"), Path("devanagari"), TASK.name), TASK.name, TASK.preprocess)
        pictures = list(_pictures(predictor, wanted.dhcd, wanted.nhcd, wanted.split, wanted.count))
    except MedtlError as error:
        print(error, file=sys.stderr)
        return 2
    print("| kind | pictures | devanagari: right | accepted, of these wrong | Tesseract, 46 letters | all letters |")
    print("|---|--:|---|---|---|---|")
    for kind in dict.fromkeys(kind for kind, _, _ in pictures):
        print(_row(predictor, kind, [one for one in pictures if one[0] == kind]), flush=True)
    return 0


def _is_here() -> bool:
    if shutil.which("tesseract") is None:
        return False
    listed = subprocess.run(["tesseract", "--list-langs"], capture_output=True, text=True, check=False)
    return "hin" in listed.stdout.split()


def _pictures(predictor: Predictor, dhcd: Path, nhcd: Path | None, split: str, count: int) -> Iterator[Picture]:
    samples = [one for one in TASK.load(dhcd, options={}).samples if one.split == split]
    yield from plain(f"DHCD, {split}", _spread(samples, count))
    if nhcd:
        known = [one for one in TASK.load(nhcd, options={}).samples if one.label in predictor.record.classes]
        yield from plain("NHCD", _spread(known, count))
    drawn = list(drawings(SEED).items())
    for row in np.unique(np.linspace(0, len(drawn) - 1, min(count, len(drawn)), dtype=np.int64)).tolist():
        (label, _, _), canvas = drawn[row]
        yield "mouse", label, to_png(canvas)


def _spread(samples: Sequence[Sample], count: int) -> list[Sample]:
    rows = np.unique(np.linspace(0, len(samples) - 1, min(count, len(samples)), dtype=np.int64)).tolist()
    return [samples[row] for row in rows]


def _row(predictor: Predictor, kind: str, pictures: Sequence[Picture]) -> str:
    judged = [Judged(kind, label, predictor.assess(character_item(kind, data))) for _, label, data in pictures]
    right = _share(sum(one.assessed and one.place == 0 for one in judged), len(judged))
    accepted = [one for one in judged if one.accepted]
    wrong = sum(one.place > 0 for one in accepted)
    letters = "".join(sorted({sign for label in predictor.record.classes for sign in CHARACTERS[label].symbol}))
    cells = [right, f"{len(accepted)}, {wrong}"]
    for alphabet in (letters, None):
        read = read_characters([data for _, _, data in pictures], alphabet)
        hits = sum(text == CHARACTERS[label].symbol for text, (_, label, _) in zip(read, pictures, strict=True))
        cells.append(_share(hits, len(pictures)))
    return f"| {kind} | {len(pictures)} | {' | '.join(cells)} |"


def read_characters(pictures: Sequence[bytes], alphabet: str | None) -> list[str]:
    """Reads pictures of single characters by Tesseract, in one call.

    Args:
        pictures: Bytes of picture files.
        alphabet: The letters that it may answer; None: all of Hindi.

    Returns:
        What it read in each, without white space; empty where it read nothing.
    """
    options = ["-l", "hin", "--psm", "10"]
    if alphabet is not None:
        options += ["-c", f"tessedit_char_whitelist={alphabet}"]
    with tempfile.TemporaryDirectory() as scratch:
        paths = [Path(scratch) / f"{number}.png" for number in range(len(pictures))]
        for path, data in zip(paths, pictures, strict=True):
            _liked(data).save(path)
        listing = Path(scratch) / "list.txt"
        listing.write_text("\n".join(map(str, paths)), encoding="utf-8")
        done = subprocess.run(
            ["tesseract", str(listing), "stdout", *options], capture_output=True, text=True, check=True
        )
    return ["".join(page.split()) for page in done.stdout.split("\f")[: len(pictures)]]


def _liked(data: bytes) -> Image.Image:
    """A picture as Tesseract likes it: dark ink on white, enlarged, with a margin."""
    grey = Image.open(io.BytesIO(data)).convert("L")
    values = np.asarray(grey)
    if np.median(values) < 128:  # light ink, as in DHCD
        grey = ImageOps.invert(grey)
    width = max(1, round(grey.width * HEIGHT / grey.height))
    large = grey.resize((width, HEIGHT), Image.Resampling.BICUBIC)
    return ImageOps.expand(large, MARGIN, 255)


def _share(hits: int, count: int) -> str:
    low, high = wilson(hits, count)
    return f"{hits / count:.3f} [{low:.3f}, {high:.3f}]"


if __name__ == "__main__":
    sys.exit(main())
