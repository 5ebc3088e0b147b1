"""`predictions.csv`: the predictions of a run for each image of validation and test, written once and read back."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.errors import RunError
from shared.evaluation.finding_size import FindingSize
from shared.io.atomic import COPY_AGAIN, write_text
from shared.runs.record import ModelRecord
from shared.samples import Grouping, Position, Sample

FILE = "predictions.csv"
COLUMNS = (
    "split",
    "sample",
    "input",
    "series",
    "group",
    "unit",
    "position",
    "domain",
    "label",
    "predicted",
    "ood_score",
)
"""Columns of the file; one for each class follows, with its probability."""
SIZE_COLUMNS = ("mask_share", "mask_mm2")
"""Columns where the size of some marked finding is known: its `FindingSize`, empty where it is not."""
LEFT_OUT = "left_out"
"""Last column where `predict` would leave out some image: "yes" for one, which counts as missed."""


@dataclass(frozen=True)
class Predictions:
    """The predictions of a run for the N images of one split.

    Attributes:
        samples: Id of each image.
        inputs: The input that `predict` would judge each image with, as `Sample.series_key`.
        domains: Domain of each image.
        labels: True class of each image.
        predicted: Likeliest class of each image.
        probabilities: float64 [N, classes], calibrated.
        grouping: Series, group and independent unit of each image.
        ood: float64 [N], out-of-distribution score of each image.
    """

    samples: tuple[str, ...]
    inputs: tuple[str, ...]
    domains: tuple[str, ...]
    labels: tuple[str, ...]
    predicted: tuple[str, ...]
    probabilities: NDArray[np.float64]
    grouping: Grouping
    ood: NDArray[np.float64]

    def positive(self, record: ModelRecord) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Sums the probabilities of the positive classes, and tells which images are positive.

        Args:
            record: The run's model record, which says which classes are positive.

        Returns:
            Probability of the positive event, float64 [N], 0 to 1; and whether the true class of each image is a
            positive one, bool [N]. Without a positive class all are 0 and False.
        """
        flags = dict(zip(record.classes, record.positive, strict=True))
        # column by column, in the order of the classes, as the run itself adds them up
        raw = sum(
            (self.probabilities[:, i] for i, name in enumerate(record.classes) if flags[name]),
            np.zeros(len(self.labels)),
        )
        return raw, np.array([flags[label] for label in self.labels], dtype=np.bool_)

    def right(self) -> NDArray[np.bool_]:
        """Tells for each image whether its likeliest class is the true one, bool [N]."""
        return np.array([one == other for one, other in zip(self.labels, self.predicted, strict=True)], dtype=np.bool_)


def write_predictions(
    run: Path,
    classes: Sequence[str],
    samples: Mapping[str, Sequence[Sample]],
    grouping: Mapping[str, Grouping],
    probabilities: Mapping[str, NDArray[np.float64]],
    ood: Mapping[str, NDArray[np.float64]],
    sizes: Mapping[str, Sequence[FindingSize | None]],
) -> None:
    """Writes `predictions.csv` into the run folder, whole or not at all: one row for each image.

    Args:
        run: The run folder.
        classes: Names of the classes, in the order of the columns of `probabilities`.
        samples: The images, by split.
        grouping: Series, group and independent unit of each image, by split.
        probabilities: float64 [N, classes], 0 to 1, by split. The splits named here are written; the other mappings
            need an entry for each of them.
        ood: Out-of-distribution scores, float64 [N], by split.
        sizes: Size of the marked finding of each image, None where it is not known, by split.
    """
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    measured = any(size is not None for name in probabilities for size in sizes[name])
    left_out = any(any(grouping[name].unjudged) for name in probabilities)
    table.writerow([*COLUMNS, *classes, *(SIZE_COLUMNS if measured else ()), *([LEFT_OUT] if left_out else [])])
    for name, rows in probabilities.items():
        owners = zip(grouping[name].series, grouping[name].groups, grouping[name].units, strict=True)
        flags = grouping[name].unjudged or (False,) * len(rows)
        for sample, owner, row, strange, size, flag in zip(
            samples[name], owners, rows, ood[name], sizes[name], flags, strict=True
        ):
            predicted = classes[int(row.argmax())]
            place = "" if sample.position is None else str(sample.position)
            facts = [name, sample.id, sample.series_key, *owner, place, sample.domain, str(sample.label), predicted]
            numbers = (f"{strange:.6g}", *(f"{value:.9g}" for value in row), *(_cells(size) if measured else ()))
            table.writerow([*facts, *numbers, *(["yes" if flag else ""] if left_out else [])])
    write_text(run / FILE, stream.getvalue())


def _cells(size: FindingSize | None) -> tuple[str, str]:
    """The size of a finding in the cells of `SIZE_COLUMNS`."""
    if size is None:
        return "", ""
    return f"{size.share:.6g}", "" if size.mm2 is None else f"{size.mm2:.6g}"


def read_predictions(run: Path, split: str = "test") -> Predictions:
    """Reads the predictions of a finished run for one split from `predictions.csv`.

    Args:
        run: The run folder.
        split: "validation" or "test".

    Returns:
        The predictions, in the order of the file; without images where the file has none of this split.

    Raises:
        RunError: The file is missing or damaged.
    """
    try:
        with (run / FILE).open(encoding="utf-8", newline="") as stream:
            table = csv.DictReader(stream)
            classes = list(table.fieldnames or ())[len(COLUMNS) :]
            if classes[-1:] == [LEFT_OUT]:
                classes.pop()
            if tuple(classes[-len(SIZE_COLUMNS) :]) == SIZE_COLUMNS:
                del classes[-len(SIZE_COLUMNS) :]
            rows = [row for row in table if row["split"] == split]
        probabilities = np.array([[float(row[name]) for name in classes] for row in rows], dtype=np.float64)
        units = tuple(int(row["unit"]) for row in rows)
        positions = tuple(Position.parse(row["position"]) for row in rows)
        ood = np.array([float(row["ood_score"]) for row in rows], dtype=np.float64)
    except (OSError, KeyError, ValueError, TypeError, UnicodeDecodeError, csv.Error) as error:
        raise RunError(f"{run / FILE} cannot be read ({type(error).__name__}); {COPY_AGAIN}") from None
    column = {name: tuple(row[name] for row in rows) for name in COLUMNS}
    return Predictions(
        samples=column["sample"],
        inputs=column["input"],
        domains=column["domain"],
        labels=column["label"],
        predicted=column["predicted"],
        probabilities=probabilities.reshape(len(rows), len(classes)),
        grouping=Grouping(
            column["series"],
            column["group"],
            units,
            positions=positions,
            alone=tuple(row["input"] == row["sample"] for row in rows),
            unjudged=tuple(row.get(LEFT_OUT) == "yes" for row in rows),
        ),
        ood=ood,
    )
