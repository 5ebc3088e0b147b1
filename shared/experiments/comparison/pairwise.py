"""Comparison of two finished runs on the test images that they share."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import DataError, RunError, UsageError
from shared.evaluation.decision.series import score_series
from shared.evaluation.statistics.groups import group_codes
from shared.evaluation.statistics.intervals import bootstrap
from shared.evaluation.statistics.paired import compare_aucs, sign_flip_p
from shared.runs.folder import check_finished
from shared.runs.predictions import FILE, Predictions, read_predictions
from shared.runs.record import ModelRecord, read_model_record

MIN_OF_EACH_KIND = 2
"""Units of each kind that DeLong's variance needs."""


@dataclass(frozen=True)
class Tested:
    """The test of a model.

    Attributes:
        name: Name of the model in messages.
        record: Its record, which says how slices are put together.
        predictions: What it says of the images of the test.
    """

    name: str
    record: ModelRecord
    predictions: Predictions

    @property
    def labels(self) -> dict[str, str]:
        """The true class of each sample, by its id."""
        return dict(zip(self.predictions.samples, self.predictions.labels, strict=True))

    def by_unit(self, samples: list[str]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Scores and truth of the units; slices are put together as the run itself does it."""
        rows = self._rows(samples)
        scores, truth = self.predictions.positive(self.record)
        grouping = self.predictions.grouping.at(rows)
        return score_series(scores[rows], truth[rows], grouping, self.record.aggregation).by_unit()

    def units(self, samples: list[str]) -> list[int]:
        """The independent unit of each sample."""
        return [self.predictions.grouping.units[i] for i in self._rows(samples)]

    def right(self, samples: list[str]) -> NDArray[np.float64]:
        """1 where the likeliest class of a sample is the true one, else 0."""
        return self.predictions.right()[self._rows(samples)].astype(np.float64)

    def _rows(self, samples: list[str]) -> list[int]:
        place = {name: row for row, name in enumerate(self.predictions.samples)}
        return [place[name] for name in samples]


def compare_runs(run: Path, other: Path) -> dict[str, Any]:
    """Compares the accuracy and, where a class is positive, the AUC of two runs on the images that both tested.

    The AUC counts units (patients, or images where no patient is known), with slices put together as each run does it,
    and is compared by DeLong's test; accuracy counts images, and its difference is bootstrapped over units.

    Args:
        run: A finished run folder.
        other: Another finished run folder, to compare with.

    Returns:
        `summary` (sentences), `n` (images), `units`, `accuracy`, and `auc` or None. The last two hold `first` and
        `second`, `low` and `high` of the 95% interval of first - second (None where there is none), and `p`.

    Raises:
        UsageError: A run is unfinished, or the two are of different applications.
        DataError: Their tests share no image, or name it differently.
    """
    one, two = read_test(run), read_test(other)
    if one.record.task != two.record.task:
        raise UsageError(f"{run} and {other} are runs of different applications")
    return compare_tests(one, two)


def compare_tests(one: Tested, two: Tested) -> dict[str, Any]:
    """Compares two models on the images that both tested, as `compare_runs` does.

    Args:
        one: The test of a model.
        two: The test of another model of the same application.

    Raises:
        DataError: The tests share no image, or name it differently.
    """
    first, second = one.labels, two.labels
    shared = [name for name in first if name in second]
    if not shared:
        raise DataError(
            f"the tests of {one.name} and {two.name} share no image; split both alike (same data, data.split and seed)"
        )
    if any(first[name] != second[name] for name in shared):
        raise DataError(
            f"{one.name} and {two.name} give the same image different labels; they were trained on different data"
        )
    units = one.units(shared)
    accuracy, auc = _accuracies(one.right(shared), two.right(shared), units), _aucs(one, two, shared)
    apart = len(first) + len(second) - 2 * len(shared)
    lines = [
        f"{one.name} against {two.name}, {len(shared)} test images in common, of {len(set(units))} independent units"
        + (f" ({apart} images are in one test only)" if apart else "")
    ]
    if auc is not None:
        lines.append(f"AUC by unit: {_difference(auc)}, p = {auc['p']:.3g} (DeLong)")
    lines.append(f"accuracy, likeliest class: {_difference(accuracy)}, p = {accuracy['p']:.3g} (sign flips of units)")
    return {"summary": lines, "n": len(shared), "units": len(set(units)), "accuracy": accuracy, "auc": auc}


def _difference(measure: dict[str, Any]) -> str:
    gap = measure["first"] - measure["second"]
    known = "no interval" if measure["low"] is None else f"[{measure['low']:+.3f}, {measure['high']:+.3f}]"
    return f"{measure['first']:.3f} against {measure['second']:.3f}, difference {gap:+.3f} {known}"


def _accuracies(one: NDArray[np.float64], two: NDArray[np.float64], units: list[int]) -> dict[str, Any]:
    gaps = one - two
    interval = bootstrap(units, lambda weights: (weights @ gaps) / weights.sum(axis=1))
    low, high = interval or (None, None)
    codes = group_codes(units)
    by_unit = np.zeros(int(codes.max()) + 1, dtype=np.int64)
    np.add.at(by_unit, codes, gaps.astype(np.int64))
    return {
        "first": float(one.mean()),
        "second": float(two.mean()),
        "low": low,
        "high": high,
        "p": sign_flip_p(by_unit),
    }


def _aucs(one: Tested, two: Tested, samples: list[str]) -> dict[str, Any] | None:
    if not any(one.record.positive) or not any(two.record.positive):
        return None
    (first, ill), (second, _) = one.by_unit(samples), two.by_unit(samples)
    if min(int(ill.sum()), int((~ill).sum())) < MIN_OF_EACH_KIND:
        return None
    return asdict(compare_aucs(first, second, ill))


def read_test(run: Path) -> Tested:
    """Reads the test of a finished run.

    Args:
        run: The run folder.

    Raises:
        RunError: The run is damaged, or has no predictions of a test.
        UsageError: It is unfinished.
    """
    check_finished(run)
    if not (run / FILE).exists():
        raise RunError(f"{run} has no predictions of a test; evaluate it on DATA, or train a run")
    return Tested(run.name, read_model_record(run), read_predictions(run))
