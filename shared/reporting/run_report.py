"""The report of a run: one HTML file that stands alone, `report.json` beside it, and a model card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from shared.data.split import Split
from shared.evaluation.abstention import abstention_in_words
from shared.evaluation.calibration import judged, reliability_bins
from shared.evaluation.measures import UsageContext
from shared.evaluation.text import MANY_CLASSES, beside_published, disclaimers, in_words, rows_of, summary_lines
from shared.explanation.attribution import DEFAULT_METHOD, attribute
from shared.explanation.pointing_game import agreement
from shared.features.cache import nearest_features
from shared.io.atomic import write_json, write_text
from shared.models.network import Network
from shared.progress import Progress
from shared.reporting.class_report import (
    class_rows,
    confusion_pictures,
    confusion_tree,
    curve_picture,
    curve_tree,
    find_confusions,
    shaded,
    with_bars,
)
from shared.reporting.figures.curves import (
    decision_curve,
    precision_recall_curve,
    reliability_plot,
    roc_curve,
    training_curve,
)
from shared.reporting.figures.sheets import attribution_sheet, miss_sheet
from shared.reporting.html import template
from shared.reporting.model_card import model_card
from shared.runs.record import ModelRecord
from shared.seeding import generator
from shared.task import Task

SHEET_IMAGES = 6
DOMAIN_MEASURES = ("accuracy", "auc", "sensitivity", "specificity", "coverage", "selective_error")
MISSES, NEIGHBOURS = 12, 4


@dataclass(frozen=True)
class Finished:
    """What a training leaves for its report.

    Attributes:
        record: The run's model record.
        config: The resolved configuration, YAML.
        stakes: Of the use that the model is meant for.
        notes: Sentences about the data that must be shown.
        splits: By split.
        probabilities: float64 [N, classes] for "validation" and "test".
        uncalibrated: float64 [N, classes] of "test", before the temperature.
        results: What `shared.evaluation.measures.evaluate` said of each of the two.
        history: Rows of `metrics.jsonl`.
        environment: As in `environment.json`.
        network: On the CPU, in evaluation mode.
        explained_images: At most so many test images with masks are explained by every method.
        published: What a paper says of this setting, as in a configuration, or None.
    """

    record: ModelRecord
    config: str
    stakes: UsageContext
    notes: tuple[str, ...]
    splits: Mapping[str, Split]
    probabilities: Mapping[str, NDArray[np.float64]]
    uncalibrated: NDArray[np.float64]
    results: Mapping[str, Mapping[str, Any]]
    history: Sequence[Mapping[str, Any]]
    environment: Mapping[str, Any]
    network: Network
    explained_images: int = 0
    published: Mapping[str, Any] | None = None


def write_report(task: Task, folder: Path, done: Finished, progress: Progress = lambda *_: None) -> None:
    """Writes `report.json`, `report.html` and `model_card.md` into the run folder."""
    rows = rows_of(done.results)
    by_group = rows_of({name: result.get("by_group", {}) for name, result in done.results.items()})
    warnings = disclaimers(task, done.record.synthetic)
    point, rejection = done.record.operating_point, done.record.rejection
    chosen = point or rejection
    told, shown = ({}, None) if rejection is None else _by_class(task, done, rejection)
    test = done.splits["test"]
    pointing = _pointing(task, done, test, progress)
    tree = {
        "summary": [*warnings, *summary_lines(rows, by_group), *_statements(task, done, chosen)],
        "notes": list(done.notes),
        "operating_point": point,
        **done.results,
        **told,
        **({} if pointing is None else {"attributions": pointing}),
    }
    write_json(folder / "report.json", tree)
    flags = np.array(done.record.positive)
    counts = [_counts(name, split, len(done.record.classes)) for name, split in done.splits.items()]
    facts = _facts(done)
    page = template("report.html")
    domains = done.results["test"]["domains"]
    html = page.render(
        name=folder.name,
        title=task.title,
        disclaimers=warnings,
        rows=rows,
        by_group=by_group,
        point=point,
        aggregation=done.record.aggregation,
        argmax=rows_of({name: result.get("argmax", {}) for name, result in done.results.items()}),
        rejection=rejection,
        many=len(done.record.classes) > MANY_CLASSES,
        by_class=shown,
        abstention=done.results["test"]["abstention"],
        abstained=abstention_in_words(done.results["test"]["abstention"], task.positive_name),
        domains=_domains(domains),
        domain_measures=[key for key in DOMAIN_MEASURES if any(key in block for block in domains.values())],
        auxiliary=[
            {
                "task": name,
                **{split: in_words(result["auxiliary"][name]["accuracy"]) for split, result in done.results.items()},
            }
            for name in done.record.auxiliary
        ],
        classes=[task.display_name(label) for label in done.record.classes],
        confusion=done.results["test"]["confusion"],
        matrix=shaded(done.results["test"]["confusion"]),
        curves=_curves(task, done, flags, test),
        misses=_miss_sheet(done, flags, test),
        curve=training_curve(done.history),
        sheet=_sheet(task, done, test),
        method=DEFAULT_METHOD,
        pointing=pointing,
        in_words=in_words,
        data=counts,
        notes=done.notes,
        facts=facts,
        config=done.config,
    )
    write_text(folder / "report.html", html)
    card = model_card(
        name=folder.name,
        title=task.title,
        disclaimers=warnings,
        record=done.record,
        config=done.config,
        splits=counts,
        notes=done.notes,
        rows=rows,
        by_group=by_group,
        facts=facts,
        misses=done.results["test"].get("false_negatives"),
    )
    write_text(folder / "model_card.md", card)


def _by_class(task: Task, done: Finished, rejection: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What only a task without a positive class has, for `report.json` and for the page."""
    test, rows, names = done.splits["test"], done.probabilities["test"], done.record.classes
    confusions = find_confusions(rows, test.labels)
    by_class = class_rows(done.results["test"], names, task.display_name)
    pairs = confusion_tree(confusions, test, rows, names, task.display_name)
    told = {
        "rejection": rejection,
        "risk_coverage": curve_tree(done.probabilities, done.splits),
        "classes": by_class,
        "confused_pairs": pairs,
    }
    start, bars = with_bars(by_class)
    shown = {
        "rows": bars,
        "from": start,
        "pairs": confusion_pictures(pairs, confusions, test, done.record.threshold),
        "curve": curve_picture(done.probabilities, done.splits, done.results, rejection["target"]),
    }
    return told, shown


def _statements(task: Task, done: Finished, chosen: Mapping[str, Any] | None) -> list[str]:
    """What is certified, and what a paper says of the same setting."""
    lines = [str(chosen["statement"])] if chosen else []
    lines.append(abstention_in_words(done.results["test"]["abstention"], task.positive_name))
    if done.published is not None:
        lines.append(beside_published(done.published, done.results["test"], done.history))
    return lines


def _domains(domains: Mapping[str, Mapping[str, Any]]) -> list[dict[str, str]]:
    """A row a domain; of a small one only that it is small."""
    rows = []
    for name, block in domains.items():
        cells = {key: in_words(block[key]) if key in block else "" for key in DOMAIN_MEASURES}
        rows.append({"domain": name, "n": str(block["n"] or block.get("reason", "")), **cells})
    return rows


def _curves(task: Task, done: Finished, flags: NDArray[np.bool_], test: Split) -> list[dict[str, str]]:
    """The pictures of the ranking, the calibration and the decision on the test set."""
    raw, truth = judged(done.probabilities["test"], test.labels, flags)
    scores = done.record.aggregation.each(raw)
    before = reliability_bins(*judged(done.uncalibrated, test.labels, flags))
    found: list[tuple[str, str | None]] = []
    if task.positive_name is not None:
        at = done.record.threshold
        found += [
            ("ROC curve with the operating point", roc_curve(scores, truth, at, task.positive_name)),
            (
                "Precision-recall with the operating point",
                precision_recall_curve(scores, truth, at, task.positive_name),
            ),
        ]
    found.append(("Reliability before and after calibration", reliability_plot(before, reliability_bins(raw, truth))))
    if task.positive_name is not None:
        found.append(("Decision curve", decision_curve(scores, truth, done.record.threshold, done.stakes.miss_cost)))
    return [{"title": title, "image": image} for title, image in found if image]


def _miss_sheet(done: Finished, flags: NDArray[np.bool_], test: Split) -> dict[str, Any] | None:
    """Positive test images below the threshold, least suspicious first, with the nearest training images."""
    raw, truth = judged(done.probabilities["test"], test.labels, flags)
    scores = done.record.aggregation.each(raw)
    missed = np.flatnonzero(truth & (scores < done.record.threshold)) if flags.any() else np.empty(0, dtype=np.int64)
    if not len(missed):
        return None
    shown = missed[np.argsort(scores[missed], kind="stable")][:MISSES].tolist()
    train, names = done.splits["train"], done.record.classes
    nearest = nearest_features(done.network, [test.images[i] for i in shown], train.images, NEIGHBOURS)
    sheet = miss_sheet(
        np.stack([test.images[i].mean(axis=0) for i in shown]),
        np.stack([np.stack([train.images[int(j)].mean(axis=0) for j in row]) for row in nearest]),
        [f"missed {names[test.labels[i]]}\n{scores[i]:.3f}" for i in shown],
        [[f"training:\n{names[train.labels[j]]}" for j in row] for row in nearest],
    )
    return {"count": len(missed), "shown": len(shown), "image": sheet}


def _sheet(task: Task, done: Finished, test: Split) -> str | None:
    chosen = _chosen(done, test)
    images = np.stack([test.images[i] for i in chosen])
    predicted = done.probabilities["test"][chosen].argmax(axis=1)
    maps = attribute(done.network, images, predicted, torch.device("cpu"), DEFAULT_METHOD)
    masks = [task.read_mask(test.samples[i], done.record.preprocessing) for i in chosen]
    names = done.record.classes
    titles = [
        f"{names[guess]} {done.probabilities['test'][i, guess]:.2f}\n(truth: {names[test.labels[i]]})"
        for i, guess in zip(chosen, predicted, strict=True)
    ]
    return attribution_sheet(images.mean(axis=1), maps, masks, titles)


def _pointing(task: Task, done: Finished, test: Split, progress: Progress) -> dict[str, Any] | None:
    """How each method agrees with the masks of test images, one image of each unit; None where none has a mask."""
    images: list[NDArray[np.float32]] = []
    masks: list[NDArray[np.bool_]] = []
    targets: list[int] = []
    units: set[str] = set()
    for index in generator(0, "masked images").permutation(len(test.samples)).tolist():
        unit, sample = test.belonging.units[index], test.samples[index]
        if len(images) == done.explained_images or sample.mask is None or unit in units:
            continue
        mask = task.read_mask(sample, done.record.preprocessing)
        if mask is not None and mask.any():
            units.add(unit)
            images.append(test.images[index])
            masks.append(mask)
            targets.append(int(test.labels[index]))
    if not images:
        return None
    return agreement(done.network, images, masks, targets, torch.device("cpu"), progress)


def _chosen(done: Finished, test: Split) -> list[int]:
    """Test images for the sheet: the surest mistakes first, then the surest hits of each class."""
    rows = done.probabilities["test"]
    wrong = rows.argmax(axis=1) != test.labels
    order = np.argsort(-rows.max(axis=1), kind="stable")
    mistakes = [int(i) for i in order if wrong[i]][: SHEET_IMAGES // 2]
    hits: list[int] = []
    for label in range(rows.shape[1]):
        hits += [int(i) for i in order if not wrong[i] and test.labels[i] == label][:3]
    return (mistakes + hits)[:SHEET_IMAGES] or [0]


def _counts(name: str, split: Split, classes: int) -> dict[str, Any]:
    groups = set(split.belonging.groups)
    counts = np.bincount(split.labels, minlength=classes).tolist()
    return {"split": name, "images": len(split.samples), "groups": len(groups), "counts": counts}


def _facts(done: Finished) -> list[tuple[str, Any]]:
    record, environment = done.record, done.environment
    packages = ", ".join(f"{name} {number}" for name, number in environment["packages"].items())
    return [
        ("backbone", record.backbone["name"]),
        ("weights", record.backbone["weights"]["spec"]),
        ("code", f"{', '.join(record.backbone['layers'])}; pooling {record.backbone['pooling']}"),
        ("input", f"{_sides(record)} px, {dict(record.preprocessing.options)}"),
        ("domains trained on", ", ".join(record.domains)),
        ("threshold", f"{record.threshold:.4f}"),
        _certified(record),
        ("slices to series", f"{' + '.join(record.aggregation.pools)}, weights {record.aggregation.weights}"),
        (
            "out of distribution from",
            f"{record.ood['threshold']:.3f}, set on {record.ood['units']} independent inputs of validation",
        ),
        ("temperature", f"{record.temperature:.3f}"),
        ("SHA-256 of the data", record.data_hash),
        ("SHA-256 of the weights", record.weights_hash),
        ("ONNX against torch", f"{environment['onnx_difference']:.1e}, largest difference of a probability"),
        ("device", f"{environment['device']}, {environment['seconds']} s"),
        ("packages", packages),
    ]


def _sides(record: ModelRecord) -> str:
    """The side at which images are kept, and that to which the network enlarges them where it does."""
    kept, seen = record.preprocessing.size, record.backbone["size"]
    return str(kept) if kept == seen else f"{kept}, enlarged to {seen}"


def _certified(record: ModelRecord) -> tuple[str, str]:
    screening = record.rejection is None
    value = record.certified_sensitivity if screening else record.certified_error
    name = "certified sensitivity" if screening else "certified error among accepted answers"
    return name, "none: nothing was certified" if value is None else f"{value:.{3 if screening else 4}f}"
