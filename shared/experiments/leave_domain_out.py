"""Leave-one-domain-out: every domain (scanner, collection) is the test of a run that was trained without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shared.config.schema import Config, HeldOutSplit
from shared.data.loading import load_dataset
from shared.errors import DataError
from shared.evaluation.measure import MEASURES, Table, measures_in
from shared.evaluation.ranking import sensitivity_at_specificity
from shared.evaluation.statistics.repeats import mean_of_repeats
from shared.evaluation.text import disclaimers
from shared.evaluation.worst_and_best import worst_and_best
from shared.experiments.crossval import require_no_chosen_test
from shared.io.atomic import read_json
from shared.pipeline.preflight import preflight
from shared.pipeline.train import run_experiment
from shared.progress import Progress
from shared.runs.predictions import read_predictions
from shared.runs.record import read_model_record
from shared.runs.verdict import read_verdict
from shared.samples import Dataset
from shared.task import Task

SPECIFICITY = 0.8
"""Specificity at which sensitivity is given too: at the run's own threshold it mixes ranking and calibration."""


def leave_domains_out(
    task: Task, config: Config, *, seeds: int, root: Path, progress: Progress, keep: bool = False
) -> dict[str, Any]:
    """Trains a run for each domain and seed without that domain, and tests it there.

    Copies of the test's images and its patients are left out of training. Settings that are chosen by looking at
    these numbers are chosen on the test: choose them on other domains. Finished runs under `root` are used again.

    Args:
        task: The application.
        config: Configuration of the runs; domain and seed are set for each.
        seeds: Number of seeds, counted up from that of the configuration.
        root: Folder of the runs.
        progress: Called with (what, done, total, note).
        keep: Whether the runs are whole; else they hold their numbers and weights.

    Raises:
        ConfigError: The configuration chooses its own test.
        DataError: The data hold one domain only, or a class that only one domain has.

    Returns:
        `disclaimers` (sentences) and `domains`: for each, a row for each seed. A row has `seed`, `run`, `verdict`, `n`
        and the measures of the run's test with their 95% intervals; a measure that is not defined on the domain (an AUC
        without healthy images) has a `reason`.
    """
    require_no_chosen_test(config, "--leave-out domain chooses each domain in turn")
    experiment = preflight(task, config)
    dataset = load_dataset(task, config.data, experiment.spec, root, progress)
    domains = sorted({sample.domain for sample in dataset.samples})
    if len(domains) < 2:
        raise DataError(f"the data hold one domain, {domains[0]!r}; leaving one out needs at least two")
    _require_classes_elsewhere(dataset)
    found: dict[str, list[dict[str, Any]]] = {}
    done = 0
    for domain in domains:
        for seed in range(config.seed, config.seed + seeds):
            given = config.data.split
            split = HeldOutSplit(held_out_domain=domain, validation=given.validation, seed=given.seed)
            data = config.data.model_copy(update={"split": split})
            held_out = experiment.varied(seed=seed, data=data)
            folder = run_experiment(held_out, root=root / "left_out", whole=keep, progress=lambda *_: None)
            row = {"seed": seed, "run": folder.name, "verdict": read_verdict(folder).fitness.headline}
            found.setdefault(domain, []).append(row | _measures(folder))
            done += 1
            progress("domains left out", done, len(domains) * seeds, domain)
    warnings = [*disclaimers(task, dataset.synthetic), *config.data.statements]
    return {"disclaimers": warnings, "domains": found}


def leave_out_lines(tree: Mapping[str, Any]) -> list[str]:
    """Writes the results as lines of text: one for each domain and seed, the mean AUC, the worst beside the best.

    Args:
        tree: Result of `leave_domains_out`. Domains without an AUC do not count; without any, there is no mean.
    """
    lines = []
    for domain, rows in tree["domains"].items():
        for row in rows:
            cells = [f"{_name(key)} {_cell(row[key])}" for key in row if isinstance(row[key], Mapping)]
            lines.append(f"{row['verdict']}: {domain} left out, seed {row['seed']}, n {row['n']}, {', '.join(cells)}")
    return [*lines, *_mean_auc(tree["domains"]), _extremes(tree["domains"])]


def left_out_verdict(tree: Mapping[str, Any]) -> list[str]:
    """Writes what the results show in two lines at most: the worst domain beside the best, and the mean AUC.

    Args:
        tree: Result of `leave_domains_out`.
    """
    return [f"verdict: {_extremes(tree['domains'])}", *_mean_auc(tree["domains"])]


def left_out_headings(tree: Mapping[str, Any]) -> dict[str, str]:
    """Names the measures that the results have, for the headings of columns, by their keys.

    Args:
        tree: Result of `leave_domains_out`.
    """
    rows = [row for of_domain in tree["domains"].values() for row in of_domain]
    return {key: _name(key) for row in rows for key in row if isinstance(row[key], Mapping)}


def _mean_auc(domains: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """The mean AUC in a line; none where no domain defines one."""
    aucs = [[row["auc"]["value"] for row in rows] for rows in domains.values() if "auc" in rows[0]]
    defined = [np.mean(values) for values in aucs if None not in values]
    if not defined:
        return []
    return [f"AUC, mean over the {len(defined)} domains that define one: {np.mean(defined):.3f}"]


def _extremes(domains: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """The worst domain beside the best, means over seeds, with what the runs' own thresholds reach there."""
    means = {name: mean_of_repeats([_defined(row) for row in rows]) for name, rows in domains.items()}
    return f"of {len(means)} left out, {worst_and_best(means)}"


def _defined(row: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {key: one for key, one in row.items() if isinstance(one, Mapping) and one["value"] is not None}


def _require_classes_elsewhere(dataset: Dataset) -> None:
    """Refuses data in which a class has images in one domain only: without that domain nothing teaches it."""
    domains_of: dict[str, set[str]] = {}
    for sample in dataset.samples:
        domains_of.setdefault(str(sample.label), set()).add(sample.domain)
    alone = sorted((label, domains.pop()) for label, domains in domains_of.items() if len(domains) == 1)
    if alone:
        classes = "; ".join(f"class {label} is in {domain} alone" for label, domain in alone)
        raise DataError(f"{classes}: without that domain nothing teaches it; leave the class out, or add such images")


def _measures(folder: Path) -> dict[str, Any]:
    test = read_json(folder / "report.json")["test"]
    shown = [measure.key for measure in measures_in(Table.LEAVE_OUT)]
    measures = {"n": test["n"]} | {key: test[key] for key in shown if key in test}
    record = read_model_record(folder)
    if any(record.positive):
        found = read_predictions(folder)
        scores, truth = found.positive(record)
        name = f"sensitivity_at_specificity_{SPECIFICITY}"
        measures[name] = sensitivity_at_specificity(scores, truth, found.grouping.units, SPECIFICITY)
    return measures


def _name(key: str) -> str:
    return MEASURES.get(key).heading if key in MEASURES else key.replace("_", " ")


def _cell(measure: Mapping[str, Any]) -> str:
    if measure["value"] is None:
        return f"not defined ({measure['reason']})"
    interval = "no interval" if measure["low"] is None else f"[{measure['low']:.3f}, {measure['high']:.3f}]"
    return f"{measure['value']:.3f} {interval}"
