"""Repeated grouped cross-validation: every image is tested once in each repeat, by a model that never saw its group."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.artifacts import read_model_record
from shared.config import Config
from shared.intervals import wilson
from shared.progress import Progress
from shared.runner import run
from shared.task import Task

Flags = NDArray[np.bool_]


def cross_validate(
    task: Task, config: Config, *, folds: int, repeats: int, root: Path, progress: Progress
) -> dict[str, Any]:
    """Trains a run for each fold of each repeat and pools what each said of its test.

    Every fold decides at its own operating point, chosen on its own validation part. What is finished under `root` is
    used again.

    Args:
        task: The application.
        config: Of each run; the repeat adds to its seed.
        folds: At least 2.
        repeats: How often all is divided anew.
        root: Where the runs lie.
        progress: Called with (what, done, total, note).

    Returns:
        `repeats` (the pooled measures of each), `mean` (over repeats, with `spread`, their standard deviation, and the
        95% Wilson interval of as many images as there are, each counted once), `runs` (names).
    """
    rows, names = [], []
    for repeat in range(repeats):
        tests = []
        for fold in range(folds):
            data = config.data.model_copy(update={"folds": folds, "fold": fold})
            of_fold = config.model_copy(update={"seed": config.seed + repeat, "data": data})
            folder = run(task, of_fold, root=root, progress=lambda *_: None)
            tests.append(_test(folder))
            names.append(folder.name)
            progress("folds", repeat * folds + fold + 1, repeats * folds, "")
        rows.append(_pooled(tests))
    return {"folds": folds, "repeats": rows, "mean": _mean(rows), "runs": names}


def in_words(tree: dict[str, Any]) -> list[str]:
    """A line a measure."""
    count = len(tree["repeats"])
    lines = [f"{count} x {tree['folds']} folds, groups and duplicates kept together"]
    for name, block in tree["mean"].items():
        lines.append(
            f"{name}: {block['value']:.3f} [{block['low']:.3f}, {block['high']:.3f}], "
            f"standard deviation over repeats {block['spread']:.3f}, n {block['n']}"
        )
    return lines


@dataclass(frozen=True)
class _Tested:
    """Of the test images of a run, each bool [N]."""

    positive: Flags
    called: Flags
    likely: Flags
    right: Flags


def _test(folder: Path) -> _Tested:
    record = read_model_record(folder)
    with (folder / "predictions.csv").open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] == "test"]
    positive = dict(zip(record.classes, record.positive, strict=True))
    dangerous = [name for name in record.classes if positive[name]]
    raw = np.array([sum(float(row[name]) for name in dangerous) for row in rows])
    scores = record.aggregation.each(raw)
    return _Tested(
        positive=np.array([positive[row["label"]] for row in rows]),
        called=scores >= record.threshold if dangerous else np.zeros(len(rows), dtype=np.bool_),
        likely=np.array([positive[row["predicted"]] for row in rows]),
        right=np.array([row["label"] == row["predicted"] for row in rows]),
    )


def _pooled(tests: Sequence[_Tested]) -> dict[str, dict[str, int]]:
    truth, called, likely, right = (
        np.concatenate([getattr(test, name) for test in tests]) for name in ("positive", "called", "likely", "right")
    )
    every = np.ones(len(right), dtype=np.bool_)
    rates = {"accuracy, likeliest class": (right, every)}
    if truth.any():
        rates |= {
            "accuracy, positive or not, at the operating point": (called == truth, every),
            "false-negative rate": (~called, truth),
            "specificity": (~called, ~truth),
            "false-negative rate, likeliest class": (~likely, truth),
        }
    return {name: {"successes": int(hit[of].sum()), "n": int(of.sum())} for name, (hit, of) in rates.items()}


def _mean(rows: Sequence[dict[str, dict[str, int]]]) -> dict[str, dict[str, float]]:
    means = {}
    for name in rows[0]:
        values = [row[name]["successes"] / row[name]["n"] for row in rows if row[name]["n"]]
        if not values:
            continue
        # repeats are not independent: the interval is that of one, at the mean
        mean, n = float(np.mean(values)), rows[0][name]["n"]
        low, high = wilson(round(mean * n), n)
        means[name] = {"value": mean, "spread": float(np.std(values)), "low": low, "high": high, "n": n}
    return means
