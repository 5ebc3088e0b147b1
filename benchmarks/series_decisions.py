"""Tabulates what a model of medtl decides, only shows and refuses: `python -m benchmarks.series_decisions DATA`.

DATA is the folder of dicom.zip, gbm_dicom.zip and hospitals.zip. Every series of these goes the way of `medtl predict`;
the slices of lgg_du are pictures without a series, and are judged one by one. Rows are collection, what is known of the
heads, plane and contrast. The released model learnt from all but elderly and the rest of dicom.zip: what it decides of
the others is no test of it, and only shows what it takes itself to be fit for.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.whole_heads import HEALTHY
from medtl.task import TASK
from shared.errors import MedtlError
from shared.evaluation.statistics.intervals import wilson
from shared.prediction.answer import Answer
from shared.prediction.predictor import Predictor
from shared.runs.named import find_named

ARCHIVES = ("dicom", "gbm_dicom", "hospitals")
TUMOUR, NONE, UNKNOWN = "tumour", "no tumour", "not known"
LEARNT_FROM = ("gbm_dicom", "lgg_du", "ms", *HEALTHY)
"""Collections that the released model learnt from."""
OUTCOMES = ("positive", "negative", "not decided", "not assessed", "refused")


@dataclass(frozen=True)
class Row:
    """What inputs have in common that are counted together.

    Attributes:
        collection: Folder of an archive.
        learnt_from: Whether the released model learnt from it.
        truth: `TUMOUR`, `NONE` or `UNKNOWN`.
        plane: Plane of the slices, as the file states or implies it.
        contrast: Contrast, likewise.
    """

    collection: str
    learnt_from: bool
    truth: str
    plane: str
    contrast: str


def main() -> int:
    """Prints the table; 2 where something cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.series_decisions", description=__doc__)
    parser.add_argument("data", type=Path, help="folder of dicom.zip, gbm_dicom.zip and hospitals.zip")
    parser.add_argument("--model", type=Path, default=Path("brain-mri"), help="a finished run, or a released model")
    parser.add_argument("--every", type=int, default=1, help="judge every n-th slice of lgg_du alone")
    wanted = parser.parse_args()
    try:
        predictor = Predictor(find_named(Path("runs"), wanted.model, TASK.name), TASK.name, TASK.preprocess)
        with tempfile.TemporaryDirectory() as scratch:
            for name in ARCHIVES:
                with zipfile.ZipFile(wanted.data / f"{name}.zip") as archive:
                    archive.extractall(Path(scratch) / name)
            print("\n".join(table(judge(predictor, Path(scratch), wanted.every))))
    except (MedtlError, OSError, zipfile.BadZipFile) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def judge(predictor: Predictor, folder: Path, every: int) -> Iterator[tuple[Row, str]]:
    """Answers everything that the unpacked archives hold.

    Args:
        predictor: The opened run.
        folder: Folder with a folder for each of `ARCHIVES`.
        every: Of the slices of lgg_du every n-th is judged.

    Returns:
        The row and the outcome (one of `OUTCOMES`) of each input.
    """
    heads = folder / "hospitals"
    for place in (folder / "dicom" / "dicom", folder / "gbm_dicom" / "gbm_dicom", heads / "elderly", heads / "ms"):
        for item in TASK.read_inputs([place]):
            answer = predictor.assess(item)
            collection = _collection(place, str(answer.series.get("first_file", item.name)))
            yield _row(collection, _truth(collection), answer), _outcome(answer)
    for picture, truth, contrast in _slices(heads / "lgg_du", every):
        (item,) = TASK.read_inputs([picture])
        row = Row("lgg_du, slices", True, truth, "axial, not stated", contrast)
        yield row, _outcome(predictor.assess(item))


def _collection(place: Path, name: str) -> str:
    """The collection of a file: its folder in dicom.zip, which holds many, and else the archive's or folder's own."""
    inside = name.removeprefix(f"{place}/").partition("/")[0] if name.startswith(f"{place}/") else ""
    return inside if place.name == "dicom" and inside else place.name


def _slices(folder: Path, every: int) -> list[tuple[Path, str, str]]:
    """The slices of lgg_du with what its table says of them."""
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))[::every]
    return [
        (folder / row["path"], NONE if row["label"].startswith("no") else TUMOUR, row.get("contrast") or UNKNOWN)
        for row in rows
    ]


def _truth(collection: str) -> str:
    if collection in ("elderly", "ms", *HEALTHY):
        return NONE
    return TUMOUR if collection == "gbm_dicom" else UNKNOWN


def _row(collection: str, truth: str, answer: Answer) -> Row:
    plane, contrast = (str(answer.acquisition.get(key, "")) for key in ("plane", "contrast"))
    return Row(collection, collection in LEARNT_FROM, truth, plane, contrast)


def _outcome(answer: Answer) -> str:
    return str(answer.decision) if answer.status == "assessed" else answer.status


def table(judged: Iterator[tuple[Row, str]]) -> list[str]:
    """Tabulates the outcomes by row, and sums up the decided ones of known truth.

    Args:
        judged: Row and outcome of each input.
    """
    counts: dict[Row, Counter[str]] = {}
    for row, outcome in judged:
        counts.setdefault(row, Counter())[outcome] += 1
    head = f"| collection | learnt from | truth | plane | contrast | inputs | {' | '.join(OUTCOMES)} |"
    lines = [head, f"|---|---|---|---|---|{'--:|' * (1 + len(OUTCOMES))}"]
    for row, found in sorted(counts.items(), key=lambda pair: (pair[0].collection, pair[0].plane, pair[0].contrast)):
        facts = [row.collection, "yes" if row.learnt_from else "no", row.truth, row.plane or "-", row.contrast or "-"]
        numbers = [found.total(), *(found[outcome] for outcome in OUTCOMES)]
        lines.append(f"| {' | '.join([*facts, *map(str, numbers)])} |")
    return [*lines, "", *_sums(counts)]


def _sums(counts: Mapping[Row, Counter[str]]) -> list[str]:
    """Shares decided, and right of these, for what was learnt from and what was not."""
    lines = []
    for learnt_from in (False, True):
        for truth, right in ((NONE, "negative"), (TUMOUR, "positive")):
            found: Sequence[Counter[str]] = [
                count for row, count in counts.items() if (row.learnt_from, row.truth) == (learnt_from, truth)
            ]
            decided = sum(one["positive"] + one["negative"] for one in found)
            if decided:
                agreed, total = sum(one[right] for one in found), sum(one.total() for one in found)
                low, high = wilson(agreed, decided)
                what = "learnt from" if learnt_from else "never seen"
                lines.append(
                    f"{what}, {truth}: {decided} of {total} decided, {agreed} of these {right}: "
                    f"{agreed / decided:.2f} [{low:.2f}, {high:.2f}]"
                )
    return lines


if __name__ == "__main__":
    sys.exit(main())
