"""Repeated grouped cross-validation: in each repeat every image is tested once, by a model that never saw its group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from shared.config.schema import Config, FoldSplit, GivenSplit, seed_of_repeat
from shared.errors import ConfigError
from shared.evaluation.abstention import (
    JudgedInputs,
    abstention_rows,
    abstention_warning,
    count_abstention,
    counts_text,
)
from shared.evaluation.cases import Cases, group_cases, image_cases, pool
from shared.evaluation.measure import MEASURES, Measure, Table, Tasks, measures_in
from shared.evaluation.statistics.repeats import mean_of_repeats
from shared.evaluation.text import disclaimers
from shared.evaluation.verdict import Verdict
from shared.pipeline.preflight import preflight
from shared.pipeline.train import run_experiment
from shared.progress import Progress
from shared.runs.predictions import read_predictions
from shared.runs.record import read_model_record
from shared.runs.verdict import read_verdict
from shared.task import Task

BY_GROUP = ", by group"
"""Ends the titles of measures over patients or other groups."""


def cross_validate(
    task: Task, config: Config, *, folds: int, repeats: int, root: Path, progress: Progress, keep: bool = False
) -> dict[str, Any]:
    """Trains a run for each fold of each repeat, and pools the decisions on the tests of the folds.

    Every fold decides at its own operating point, chosen on its own validation split. Finished runs under `root` are
    used again.

    Args:
        task: The application.
        config: Configuration of the runs; the number of the repeat is added to its seed.
        folds: Number of folds, at least 2.
        repeats: Number of times that the data are split anew.
        root: Folder of the runs.
        progress: Called with (what, done, total, note).
        keep: Whether the runs are whole; else they hold their numbers and weights.

    Raises:
        ConfigError: The configuration chooses its own test.

    Returns:
        `verdict` (a sentence on all runs), `disclaimers` (sentences), `folds`, `repeats` (the pooled measures of each,
        with their 95% intervals), `mean` (over repeats, with `spread`, their standard deviation, and the means of the
        bounds: repeats narrow no interval), `abstention` (of the tests of all folds and repeats, as
        `shared.evaluation.abstention.count_abstention` gives it; an input of several repeats is in one unit),
        `not_assessed` (the same in sentences), `runs` (names).
    """
    require_no_chosen_test(config, "crossval makes its own folds")
    experiment = preflight(task, config)
    rows, names, warnings, judged = [], [], list[str](), list[JudgedInputs]()
    verdicts: list[Verdict] = []
    for repeat in range(repeats):
        tests = []
        for fold in range(folds):
            given = config.data.split
            again = seed_of_repeat(given, repeat)
            split = FoldSplit(folds=folds, fold=fold, validation=given.validation, seed=again)
            data = config.data.model_copy(update={"split": split})
            # apart from the other runs: a model of one fold is none of those that `models` lists
            of_fold = experiment.varied(seed=config.seed + repeat, data=data)
            folder = run_experiment(of_fold, root=root / "crossval", whole=keep, progress=lambda *_: None)
            record = read_model_record(folder)
            warnings = [*disclaimers(task, record.synthetic), *config.data.statements]
            tests.append(read_test(folder))
            judged.append(read_judged_inputs(folder))
            names.append(folder.name)
            verdicts.append(read_verdict(folder))
            progress("folds", repeat * folds + fold + 1, repeats * folds, "")
        rows.append(pooled_measures(tests))
    abstention = count_abstention(JudgedInputs.pooled(judged), record)
    return {
        "verdict": verdict_on_runs(verdicts),
        "disclaimers": warnings,
        "folds": folds,
        "repeats": rows,
        "mean": mean_of_repeats(rows),
        "abstention": abstention,
        "not_assessed": _abstention_lines(task, abstention),
        "runs": names,
    }


def verdict_on_runs(found: Sequence[Verdict]) -> str:
    """Says of several runs in one line what their tests show, the worst first.

    Args:
        found: The verdict on each run, at least one.
    """
    counts = Counter((one.fitness.severity, one.fitness.headline) for one in found)
    said = (f"{headline} {count}" for (_, headline), count in sorted(counts.items(), key=lambda pair: -pair[0][0]))
    return f"verdict on {len(found)} runs, each on its own test: {', '.join(said)}"


def require_no_chosen_test(config: Config, why: str) -> None:
    """Refuses a configuration that chooses its own test.

    Args:
        config: The configuration.
        why: Reason why the configuration must not choose a test here, for the message.

    Raises:
        ConfigError: `data.split` names a fold or a held-out domain.
    """
    if not isinstance(config.data.split, GivenSplit):
        raise ConfigError(f"data.split.how={config.data.split.how} chooses one test; {why}: leave it out")


def cross_validation_lines(tree: Mapping[str, Any]) -> list[str]:
    """Writes a cross-validation as lines of text: verdict, heading, one for each measure, one on inputs not assessed.

    Args:
        tree: Result of `cross_validate`.
    """
    count = len(tree["repeats"])
    lines = [tree["verdict"], f"{count} x {tree['folds']} folds, groups and duplicates kept together"]
    for name, block in tree["mean"].items():
        interval = "no interval" if block["low"] is None else f"[{block['low']:.3f}, {block['high']:.3f}]"
        lines.append(
            f"{name}: {block['value']:.3f} {interval}, standard deviation over repeats {block['spread']:.3f}, "
            f"n {block['n']}"
        )
    return [*lines, *tree["not_assessed"]]


def _abstention_lines(task: Task, abstention: Mapping[str, Any]) -> list[str]:
    """The inputs of all folds and repeats that are not assessed, by class, and a warning where it is due."""
    warning = abstention_warning(abstention, task.positive_name)
    return [
        *([warning] if warning else []),
        counts_text(abstention, task.positive_name),
        *(
            f"not assessed, {row['class']}: {row['not_assessed']} of {row['inputs']}, {row['share']}"
            for row in abstention_rows(abstention, task.display_name)
        ),
    ]


@dataclass(frozen=True)
class FoldTest:
    """The test of one fold.

    Attributes:
        images: Its images, decided at the fold's own threshold.
        groups: Its patients or other groups; None without a positive class.
    """

    images: Cases
    groups: Cases | None = None


def read_test(folder: Path) -> FoldTest:
    """Reads the predictions of a finished run for its test.

    Args:
        folder: The run folder.

    Raises:
        RunError: `model.json` or `predictions.csv` is missing or damaged.
    """
    record, test = read_model_record(folder), read_predictions(folder)
    number = {name: k for k, name in enumerate(record.classes)}
    labels, predicted = (np.array([number[name] for name in names]) for names in (test.labels, test.predicted))
    images = image_cases(test.probabilities, labels, record, test.grouping.units)
    groups = group_cases(test.probabilities, labels, record, test.grouping) if images.screening else None
    return FoldTest(replace(images, predicted=predicted), groups)


def read_judged_inputs(folder: Path) -> JudgedInputs:
    """Reads which inputs of its test a finished run would not assess, by its own threshold.

    Args:
        folder: The run folder.

    Raises:
        RunError: `model.json` or `predictions.csv` is missing or damaged.
    """
    record, test = read_model_record(folder), read_predictions(folder)
    labels = np.array([record.classes.index(name) for name in test.labels])
    rows = test.grouping.judged(np.arange(len(labels)))
    inputs, units = [test.inputs[i] for i in rows], [test.grouping.units[i] for i in rows]
    return JudgedInputs.of(test.ood[rows], labels[rows], inputs, units, record)


def pooled_measures(tests: Sequence[FoldTest]) -> dict[str, dict[str, Any]]:
    """Computes measures over the tests of all folds, pooled into one.

    Args:
        tests: The test of each fold, at least one.

    Returns:
        By title of the measure, its result, such as `value`, `low`, `high` and `n`. Measures that are not defined are
        left out.
    """
    table = measures_in(Table.CROSS_VALIDATION)
    images = pool([test.images for test in tests])
    found = _by_title(table, images, "")
    if images.screening:
        missed = [MEASURES.get("false_negative_rate")]
        found |= _by_title(missed, images.by_likeliest_class(), ", likeliest class")
    groups = [test.groups for test in tests if test.groups is not None]
    if groups and sum(len(cases.labels) for cases in groups) < len(images.labels):
        decisions = [measure for measure in table if measure.tasks is Tasks.SCREENING]
        found |= _by_title(decisions, pool(groups), BY_GROUP)
    return {title: measure for title, measure in found.items() if measure["value"] is not None}


def _by_title(measures: Sequence[Measure], cases: Cases, unit: str) -> dict[str, dict[str, Any]]:
    return {f"{one.title}{unit}": one.compute(cases) for one in measures if one.defined_for(cases)}
