"""Counts what is no Devanagari character and is read as one: `python -m benchmarks.devanagari_rubbish DATA`.

DATA is the folder of the public collections. Pictures are those of `benchmarks.rubbish_images`, blank paper, and
letters of the Latin alphabet, printed; they go the way of `handwriting predict`. Latin letters and digits are ink on
paper like the characters: nothing but the classes tells them apart. A hundred of DHCD's test characters stand beside.
"""

from __future__ import annotations

import argparse
import string
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from benchmarks.devanagari_released import to_png
from benchmarks.rubbish_images import CHOOSING, COUNT, SHOWING, SIDE, Grey, Random, rubbish
from handwriting.inputs import character_item
from handwriting.task import TASK
from shared.errors import MedtlError
from shared.evaluation.statistics.intervals import wilson
from shared.prediction.answer import Answer
from shared.prediction.predictor import Predictor
from shared.runs.named import find_named
from shared.seeding import generator

REAL = "Devanagari characters"
KNOWN = 100


def main() -> int:
    """Prints the table; 2 where something cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.devanagari_rubbish", description=__doc__)
    parser.add_argument("data", type=Path, help="folder of dhcd.zip, digits.npz and dicom.zip")
    parser.add_argument("--model", type=Path, default=Path("devanagari"), help="a finished run, or a released model")
    wanted = parser.parse_args()
    try:
        predictor = Predictor(find_named(Path("runs"), wanted.model, TASK.name), TASK.name, TASK.preprocess)
        kinds = dict(_pictures(wanted.data))
    except (MedtlError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print("| kind | pictures | assessed | accepted | median score |\n|---|--:|--:|---|--:|")
    answers = {
        kind: [predictor.assess(character_item(kind, to_png(_bytes(one)))) for one in pictures]
        for kind, pictures in kinds.items()
    }
    for kind, found in answers.items():
        print(_row(kind, found))
    print(_row("all but characters", [one for kind, found in answers.items() if kind != REAL for one in found]))
    print(f"out-of-distribution threshold {predictor.record.ood['threshold']:.3f}")
    return 0


def _pictures(data: Path) -> Iterator[tuple[str, list[Grey]]]:
    """Pictures by kind, the characters last."""
    kinds = {name: kind for name, kind in {**CHOOSING, **SHOWING}.items() if name != REAL}
    yield from rubbish(kinds, data).items()
    random = generator(0, "rubbish, blank and letters")
    yield "blank paper, with grain", [_blank(random) for _ in range(COUNT)]
    letters = string.ascii_letters
    yield "Latin letters, printed", [_letter(letters[number % len(letters)], random) for number in range(2 * 52)]
    draw = SHOWING[REAL](data)
    yield REAL, [draw(random) for _ in range(KNOWN)]


def _blank(random: Random) -> Grey:
    return np.asarray(random.uniform(200, 250) + random.normal(0, 3, (SIDE, SIDE)), dtype=np.float32)


def _letter(letter: str, random: Random) -> Grey:
    """A letter in dark ink on white, as large as a drawn character."""
    page = Image.new("L", (SIDE, SIDE), 255)
    font = ImageFont.load_default(int(random.integers(90, 150)))
    ImageDraw.Draw(page).text((SIDE / 2, SIDE / 2), letter, fill=20, font=font, anchor="mm")
    turned = page.rotate(float(random.uniform(-10, 10)), fillcolor=255)
    return np.asarray(turned.filter(ImageFilter.GaussianBlur(1)), dtype=np.float32)


def _bytes(picture: Grey) -> np.ndarray:
    """A picture in eight bits; one of another range is stretched to it."""
    low, high = float(picture.min()), float(picture.max())
    if low >= 0 and 1 < high <= 255:
        return picture.round().astype(np.uint8)
    return ((picture - low) / max(high - low, 1e-6) * 255).round().astype(np.uint8)


def _row(kind: str, found: Sequence[Answer]) -> str:
    assessed = [one for one in found if one.status == "assessed"]
    accepted = sum(one.decision == "accepted" for one in assessed)
    low, high = wilson(accepted, len(found))
    scores = [one.ood_score for one in found if one.ood_score is not None]
    median = f"{np.median(scores):.2f}" if scores else ""
    shares = f"{len(assessed) / len(found):.2f} | {accepted / len(found):.2f} [{low:.2f}, {high:.2f}]"
    return f"| {kind} | {len(found)} | {shares} | {median} |"


if __name__ == "__main__":
    sys.exit(main())
