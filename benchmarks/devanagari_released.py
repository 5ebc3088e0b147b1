"""Judges the released model of handwriting: `python -m benchmarks.devanagari_released RUN --dhcd DHCD --nhcd NHCD`.

Everything goes the way of `handwriting predict`: the bytes of a picture file, its answer. Judged are 46 characters
drawn by three hands in five pens (`mouse_drawings`), 200 test characters of DHCD in four kinds of pictures
(`character_pictures`), and all of DHCD's Test and NHCD's shared classes as they are. "Read": assessed and the right
class first; "offered": assessed and among the first three; the error is that of accepted answers.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.character_pictures import KINDS, picture
from benchmarks.mouse_drawings import HANDS, PEN_WIDTHS, drawings
from handwriting.inputs import character_item
from handwriting.task import TASK
from shared.errors import MedtlError
from shared.evaluation.statistics.intervals import wilson
from shared.io.archives import read_source
from shared.prediction.answer import Answer
from shared.prediction.predictor import Predictor
from shared.runs.named import find_named
from shared.samples import Sample

SEED = 0
CHARACTERS, TOP = 200, 3


@dataclass(frozen=True)
class Judged:
    """The answer to one picture.

    Attributes:
        kind: What picture it is.
        label: The true class.
        answer: What the model says.
    """

    kind: str
    label: str
    answer: Answer

    @property
    def assessed(self) -> bool:
        """Whether the picture was assessed."""
        return self.answer.status == "assessed"

    @property
    def place(self) -> int:
        """Place of the true class among the guesses, from 0; large where the picture was refused."""
        likely = self.answer.probabilities or {}
        guesses = sorted(likely, key=lambda one: -likely[one])
        return guesses.index(self.label) if self.label in guesses else len(guesses) + TOP

    @property
    def accepted(self) -> bool:
        """Whether the answer was accepted."""
        return self.assessed and self.answer.decision == "accepted"


def main() -> int:
    """Prints a table of all judges; 2 where something cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.devanagari_released", description=__doc__)
    parser.add_argument("run", type=Path, help="a finished run, or the name of a released model")
    parser.add_argument("--dhcd", type=Path, required=True, help="DHCD as zip or folder")
    parser.add_argument("--nhcd", type=Path, help="NHCD as zip or folder")
    parser.add_argument("--every", type=int, default=1, help="judge every n-th image of Test and NHCD alone")
    parser.add_argument("--split", default="test", choices=("train", "test"), help="part of DHCD that is judged")
    wanted = parser.parse_args()
    try:
        predictor = Predictor(find_named(Path("runs"), wanted.run, TASK.name), TASK.name, TASK.preprocess)
        dhcd = [one for one in TASK.load(wanted.dhcd, options={}).samples if one.split == wanted.split]
        print("\n".join(table(judge(predictor, pictures(dhcd)))), flush=True)
        print("\n".join(table(judge(predictor, plain("DHCD", dhcd[:: wanted.every])))), flush=True)
        if wanted.nhcd:
            known = [one for one in TASK.load(wanted.nhcd, options={}).samples if one.label in predictor.record.classes]
            print("\n".join(table(judge(predictor, plain("NHCD", known[:: wanted.every])))), flush=True)
    except MedtlError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def judge(predictor: Predictor, found: Iterable[tuple[str, str, bytes]]) -> list[Judged]:
    """Answers pictures as `predict` does.

    Args:
        predictor: The opened run.
        found: Kind, true class and bytes of each picture.
    """
    return [Judged(kind, label, predictor.assess(character_item(kind, data))) for kind, label, data in found]


def pictures(samples: Sequence[Sample]) -> Iterator[tuple[str, str, bytes]]:
    """Makes the drawings, and the pictures of `CHARACTERS` samples spread evenly over all."""
    for (label, hand, width), canvas in drawings(SEED).items():
        yield f"mouse, {hand} hand, pen of {width}", label, to_png(canvas)
    rows = np.linspace(0, len(samples) - 1, CHARACTERS, dtype=np.int64).tolist()
    for kind in KINDS:
        for number, row in enumerate(rows):
            random = np.random.default_rng((SEED, list(KINDS).index(kind), number))
            image = TASK.read(samples[row]) / np.float32(255)
            yield kind, str(samples[row].label), picture(image, kind, random)


def plain(kind: str, samples: Sequence[Sample]) -> Iterator[tuple[str, str, bytes]]:
    """The files of samples as they are."""
    for sample in samples:
        yield kind, str(sample.label), read_source(sample.source)


def table(judged: Sequence[Judged]) -> list[str]:
    """Tabulates the answers: mouse drawings together, by hand and by pen, then each other kind."""
    kinds = list(dict.fromkeys(one.kind for one in judged))
    groups = {kind: [one for one in judged if one.kind == kind] for kind in kinds if not kind.startswith("mouse")}
    drawn = [one for one in judged if one.kind.startswith("mouse")]
    if drawn:
        by_hand = {f"mouse, {hand}": [one for one in drawn if f" {hand} " in one.kind] for hand in HANDS}
        by_pen = {f"mouse, pen of {pen}": [one for one in drawn if one.kind.endswith(f" {pen}")] for pen in PEN_WIDTHS}
        groups = {"mouse": drawn, **by_hand, **by_pen, **groups}
    head = "| kind | pictures | assessed | right, of all | read | offered | accepted | wrong of accepted |"
    lines = [head, "|---|--:|--:|--:|--:|--:|--:|--:|", *(_row(name, group) for name, group in groups.items())]
    missed = sorted({one.label for one in drawn if not (one.assessed and one.place < TOP)})
    return [*lines, *([f"not offered, of drawings: {_counted(drawn, missed)}"] if missed else []), ""]


def _row(name: str, group: Sequence[Judged]) -> str:
    accepted = [one for one in group if one.accepted]
    wrong = sum(one.place > 0 for one in accepted)
    low, high = wilson(wrong, len(accepted)) if accepted else (0.0, 1.0)
    shares = [
        np.mean([one.assessed for one in group]),
        np.mean([one.place == 0 for one in group]),
        np.mean([one.assessed and one.place == 0 for one in group]),
        np.mean([one.assessed and one.place < TOP for one in group]),
        len(accepted) / len(group),
    ]
    cells = " | ".join(f"{share:.4f}" if len(group) > 1000 else f"{share:.3f}" for share in shares)
    error = wrong / len(accepted) if accepted else 0.0
    return f"| {name} | {len(group)} | {cells} | {wrong}: {error:.4f} [{low:.4f}, {high:.4f}] |"


def _counted(drawn: Sequence[Judged], labels: Sequence[str]) -> str:
    counts = [
        (label, sum(one.label == label and not (one.assessed and one.place < TOP) for one in drawn)) for label in labels
    ]
    return ", ".join(f"{label} {count}" for label, count in sorted(counts, key=lambda one: -one[1]))


def to_png(pixels: np.ndarray) -> bytes:
    """Writes grey pixels as the bytes of a PNG file."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


if __name__ == "__main__":
    sys.exit(main())
