"""Repeated grouped cross-validation: every image is tested once in each repeat, by a model that never saw its group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.config.schema import Config, FoldSplit, GivenSplit
from shared.errors import ConfigError
from shared.evaluation.decision.series import score_series
from shared.evaluation.rates import Rate
from shared.evaluation.statistics.repeats import mean_of_repeats
from shared.evaluation.text import disclaimers
from shared.io.atomic import read_json
from shared.pipeline.preflight import preflight
from shared.pipeline.train import run_experiment
from shared.progress import Progress
from shared.runs.predictions import read_predictions
from shared.runs.record import read_model_record
from shared.task import Task

Flags = NDArray[np.bool_]
ABSTAINED = ("inputs", "not_assessed", "not_assessed_positive")


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

    Raises:
        ConfigError: The configuration chooses a test of its own.

    Returns:
        `disclaimers` (sentences), `repeats` (the pooled measures of each, with their 95% intervals), `mean` (over
        repeats, with `spread`, their standard deviation, and the means of the bounds: repeats narrow no interval),
        `abstention` (inputs over all folds and repeats, and how many of them would not be assessed), `runs` (names).
    """
    require_no_chosen_test(config, "crossval divides by itself")
    experiment = preflight(task, config)
    rows, names, warnings, abstained = [], [], list[str](), Counter[str]()
    for repeat in range(repeats):
        tests = []
        for fold in range(folds):
            split = FoldSplit(folds=folds, fold=fold, validation=config.data.split.validation)
            data = config.data.model_copy(update={"split": split})
            # apart from the other runs: a model of one fold must not be the newest that `predict` takes
            of_fold = experiment.varied(seed=config.seed + repeat, data=data)
            folder = run_experiment(of_fold, root=root / "crossval", progress=lambda *_: None)
            warnings = disclaimers(task, read_model_record(folder).synthetic)
            tests.append(_test(folder))
            abstention = read_json(folder / "report.json")["test"]["abstention"]
            abstained.update({name: abstention[name] for name in ABSTAINED if abstention[name] is not None})
            names.append(folder.name)
            progress("folds", repeat * folds + fold + 1, repeats * folds, "")
        rows.append(_pooled(tests))
    return {
        "disclaimers": warnings,
        "folds": folds,
        "repeats": rows,
        "mean": mean_of_repeats(rows),
        "abstention": dict(abstained),
        "runs": names,
    }


def require_no_chosen_test(config: Config, why: str) -> None:
    """Refuses a configuration that chooses its own test.

    Args:
        config: The configuration.
        why: Why the test must not be chosen there.

    Raises:
        ConfigError: `data.split` names a fold or a held-out domain.
    """
    if not isinstance(config.data.split, GivenSplit):
        raise ConfigError(f"data.split.how={config.data.split.how} chooses one test; {why}: leave it out")


def in_words(tree: dict[str, Any]) -> list[str]:
    """A line a measure."""
    count = len(tree["repeats"])
    lines = [f"{count} x {tree['folds']} folds, groups and duplicates kept together"]
    for name, block in tree["mean"].items():
        interval = "no interval" if block["low"] is None else f"[{block['low']:.3f}, {block['high']:.3f}]"
        lines.append(
            f"{name}: {block['value']:.3f} {interval}, standard deviation over repeats {block['spread']:.3f}, "
            f"n {block['n']}"
        )
    total, none, ill = (tree["abstention"].get(name) for name in ABSTAINED)
    told = "" if ill is None else f", {ill} of them positive"
    lines.append(f"not assessed, as unlike the training images: {none} of {total} inputs{told}")
    return lines


@dataclass(frozen=True)
class _Calls:
    """What was said of test images, or of test patients.

    Attributes:
        positive: [N] truth.
        called: [N] whether called positive at the run's own threshold.
        units: [N] what is independent of the rest; numbers mean the same in every fold.
    """

    positive: Flags
    called: Flags
    units: tuple[int, ...]


@dataclass(frozen=True)
class _Tested:
    """The test of one run: its images, its patients where a class is positive, and what the likeliest class says."""

    images: _Calls
    groups: _Calls | None
    likely: Flags
    right: Flags


def _test(folder: Path) -> _Tested:
    record, test = read_model_record(folder), read_predictions(folder)
    flags = dict(zip(record.classes, record.positive, strict=True))
    screening, units = any(record.positive), test.belonging.units
    raw, truth = test.positive(record)
    called = record.aggregation.each(raw) >= record.threshold if screening else np.zeros(len(raw), dtype=np.bool_)
    groups = None
    if screening:
        scores, ill, of_groups = score_series(raw, truth, test.belonging, record.aggregation).by_group()
        groups = _Calls(ill, scores >= record.threshold, of_groups)
    return _Tested(
        images=_Calls(truth, called, units),
        groups=groups,
        likely=np.array([flags[label] for label in test.predicted]),
        right=test.right(),
    )


def _pooled(tests: Sequence[_Tested]) -> dict[str, dict[str, Any]]:
    images = _joined([test.images for test in tests])
    every = np.ones(len(images.units), dtype=np.bool_)
    rates = {"accuracy, likeliest class": Rate(images.units)(np.concatenate([test.right for test in tests]), every)}
    if images.positive.any():
        likely = np.concatenate([test.likely for test in tests])
        rates |= _of(images, "")
        rates["false-negative rate, likeliest class"] = Rate(images.units)(~likely, images.positive)
    by_group = [test.groups for test in tests if test.groups is not None]
    if sum(len(calls.units) for calls in by_group) < len(images.units) and by_group:
        rates |= _of(_joined(by_group), ", by patient or group")
    return {name: rate for name, rate in rates.items() if rate["value"] is not None}


def _of(calls: _Calls, unit: str) -> dict[str, dict[str, Any]]:
    rate, every = Rate(calls.units), np.ones(len(calls.units), dtype=np.bool_)
    return {
        f"accuracy, positive or not, at the operating point{unit}": rate(calls.called == calls.positive, every),
        f"false-negative rate{unit}": rate(~calls.called, calls.positive),
        f"specificity{unit}": rate(~calls.called, ~calls.positive),
    }


def _joined(calls: Sequence[_Calls]) -> _Calls:
    return _Calls(
        np.concatenate([one.positive for one in calls]),
        np.concatenate([one.called for one in calls]),
        tuple(unit for one in calls for unit in one.units),
    )
