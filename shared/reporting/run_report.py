"""The report of a run: `report.json`, an HTML page that stands alone, and a model card, all from one tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from shared.data.split import Split
from shared.evaluation.abstention import abstention_rows, abstention_text, abstention_warning
from shared.evaluation.decision.kinds import kinds_text
from shared.evaluation.decision.ood_threshold import rule_text
from shared.evaluation.measure import Table, measures_in
from shared.evaluation.missed_text import missed_lines
from shared.evaluation.text import (
    MANY_CLASSES,
    disclaimers,
    measure_rows,
    measure_text,
    published_line,
    summary_lines,
)
from shared.evaluation.verdict import NO_OUTSIDE
from shared.evaluation.worst_and_best import ranked, worst_and_best
from shared.explanation.attribution import DEFAULT_METHOD
from shared.io.atomic import write_json, write_text
from shared.progress import Progress
from shared.reporting.class_report import (
    class_rows,
    confusion_pictures,
    confusion_tree,
    curve_picture,
    curve_tree,
    find_confusions,
    scale_start,
    shaded,
)
from shared.reporting.counts_view import plural, view_text
from shared.reporting.figures.curves import training_curve
from shared.reporting.finished import Finished
from shared.reporting.html import template
from shared.reporting.missed_report import missed_section
from shared.reporting.model_card import model_card
from shared.reporting.run_attributions import attribution_pictures, mask_agreement
from shared.reporting.run_figures import curve_figures, missed_images
from shared.runs.acquisition import describe_seen
from shared.runs.certificate import certificate_text
from shared.runs.record import ModelRecord
from shared.runs.verdict import verdict_of
from shared.task import Task

TONES = ("", "doubt", "bad", "bad")
"""The colour of a verdict by its severity, as templates name it."""
CHOSEN_ON_VALIDATION = "Checkpoint, head, temperature, aggregation and threshold were chosen on validation."


def write_report(task: Task, folder: Path, done: Finished, progress: Progress = lambda *_: None) -> None:
    """Writes `report.json`, `report.html` and `model_card.md` into the run folder.

    Args:
        task: The application.
        folder: The run folder; its name is the name of the run.
        done: The finished training.
        progress: Called with (what, done, total, note).
    """
    tree = report_tree(task, done, progress)
    write_json(folder / "report.json", tree)
    context = report_context(task, folder.name, done, tree)
    write_text(folder / "report.html", template("report.html").render(context))
    write_text(folder / "model_card.md", model_card(done.record, context))


def write_numbers(task: Task, folder: Path, done: Finished, progress: Progress = lambda *_: None) -> None:
    """Writes `report.json` alone into the run folder: the numbers of the report, without its page and pictures.

    Args:
        task: The application.
        folder: The run folder.
        done: The finished training.
        progress: Called with (what, done, total, note).
    """
    write_json(folder / "report.json", report_tree(task, done, progress))


def report_tree(task: Task, done: Finished, progress: Progress) -> dict[str, Any]:
    """Collects the content of `report.json`: every number of the report, as plain data.

    Args:
        task: The application.
        done: The finished training.
        progress: Called with (what, done, total, note).

    Returns:
        `verdict`, `summary` and `notes` (lists of sentences), `fewest_labels` (the class with the fewest training
        images, as `shared.evaluation.verdict.Labels`), `operating_point` (None without a positive class), `validation`
        and `test` (see `shared.evaluation.evaluate.evaluate`); without a positive class `rejection`, `risk_coverage`,
        `classes` and `confused_pairs`; where test images have masks, `attributions`.
    """
    tree: dict[str, Any] = {
        "summary": _summary(task, done),
        "notes": list(done.notes),
        "fewest_labels": asdict(done.fewest_labels(task.display_name)),
        "operating_point": done.record.operating_point,
        **done.results,
    }
    if done.record.rejection is not None:
        test, names, rows = done.splits["test"], done.record.classes, done.probabilities["test"]
        confusions = find_confusions(rows, test.labels)
        tree |= {
            "rejection": done.record.rejection,
            "risk_coverage": curve_tree(done.probabilities, done.splits),
            "classes": class_rows(done.results["test"], names, task.display_name),
            "confused_pairs": confusion_tree(confusions, test, rows, names, task.display_name),
        }
    if (agreement := mask_agreement(task, done, progress)) is not None:
        tree["attributions"] = agreement
    return {"verdict": _verdict(done.record, tree), **tree}


def report_context(task: Task, name: str, done: Finished, tree: Mapping[str, Any]) -> dict[str, Any]:
    """Collects all that page and model card show: the numbers of `report.json` in words, and the figures.

    Args:
        task: The application.
        name: Name of the run.
        done: The finished training.
        tree: Result of `report_tree`.

    Returns:
        The variables of the template `report.html`, by name: texts, rows of tables, and figures as data addresses.
    """
    return {
        "name": name,
        "kind": "report of a run",
        "title": task.title,
        "group_name": task.group_name,
        "verdict": tree["verdict"],
        "tone": TONES[verdict_of(done.record, tree).fitness.severity],
        "disclaimers": [*disclaimers(task, done.record.synthetic), *_warnings(task, done)],
        "notes": tree["notes"],
        "choice": " ".join(done.chosen_by) or CHOSEN_ON_VALIDATION,
        "validated": "validation" in done.results,
        "config": done.config,
        "facts": _facts(task, done),
        "data": [_counts(split_name, split, len(done.record.classes)) for split_name, split in done.splits.items()],
        **_result_tables(task, done, tree),
        **_class_tables(task, done, tree),
        **_figures(task, done),
        "attributions": tree.get("attributions"),
        "measure_text": measure_text,
    }


def _verdict(record: ModelRecord, tree: Mapping[str, Any]) -> list[str]:
    """The lines of the verdict; a report is not written again when the run is tested on other data."""
    fitness, certificate, outside = verdict_of(record, tree).lines
    return [fitness, certificate, f"{outside} when this was written" if outside == NO_OUTSIDE else outside]


def _summary(task: Task, done: Finished) -> list[str]:
    """Disclaimers, warnings, main measures, the certificate, inputs that are not assessed, the published result."""
    rows, by_group = measure_rows(done.results), measure_rows(_block(done.results, "by_group"))
    test, chosen = done.results["test"], done.record.operating_point or done.record.rejection
    return [
        *disclaimers(task, done.record.synthetic),
        *_warnings(task, done),
        *done.chosen_by,
        *summary_lines(rows, by_group),
        *missed_lines(test, _unit(task, done), task.positive_name),
        *([str(chosen["statement"])] if chosen else []),
        abstention_text(test["abstention"], task.positive_name),
        *([] if done.published is None else [published_line(done.published, test, done.history)]),
    ]


def _unit(task: Task, done: Finished) -> str:
    """What a group of test images is, in a word: a patient where the data say of each image whose it is."""
    if done.splits["test"].grouping.named:
        return task.group_name
    return "series" if task.series_kinds else "image"


def _warnings(task: Task, done: Finished) -> list[str]:
    """A warning for each split on which abstention falls on the positive class; it stands above all results."""
    found = {name: abstention_warning(tree["abstention"], task.positive_name) for name, tree in done.results.items()}
    return [f"{name.capitalize()}: {warning}." for name, warning in found.items() if warning]


def _result_tables(task: Task, done: Finished, tree: Mapping[str, Any]) -> dict[str, Any]:
    """The measures as a whole, by group, by likeliest class, by domain, and of auxiliary tasks."""
    results, test = {name: tree[name] for name in done.results}, tree["test"]
    rows, by_group = measure_rows(results), measure_rows(_block(results, "by_group"))
    argmax = measure_rows(_block(results, "argmax"))
    used = {row["key"] for row in (*rows, *by_group, *argmax)}
    return {
        "rows": rows,
        "by_group": by_group,
        "group": _unit(task, done),
        "unit_plural": plural(_unit(task, done)),
        "view": view_text(test, _unit(task, done), task.positive_name),
        "missed": missed_section(test, _unit(task, done), task.positive_name),
        "argmax": argmax,
        "legend": [measure for measure in measures_in(Table.REPORT) if measure.key in used],
        "point": tree["operating_point"],
        "rejection": tree.get("rejection"),
        "series_rule": _series_rule(done.record) if task.series_kinds else None,
        "false_negatives": test.get("false_negatives"),
        "abstention": _abstention(task, done.record, test["abstention"]),
        "by_domain": _domain_tables(done),
        "auxiliary": [_auxiliary(name, results) for name in done.record.auxiliary],
    }


def _class_tables(task: Task, done: Finished, tree: Mapping[str, Any]) -> dict[str, Any]:
    """The confusion matrix and, without a positive class, the classes and the pairs that are confused."""
    names, confusion = done.record.classes, tree["test"]["confusion"]
    found = {
        "classes": [task.display_name(label) for label in names],
        "many": len(names) > MANY_CLASSES,
        "confusion": confusion,
        "matrix": shaded(confusion),
    }
    if (rejection := tree.get("rejection")) is None:
        return found | {"by_class": None}
    test = done.splits["test"]
    confusions = find_confusions(done.probabilities["test"], test.labels)
    return found | {
        "by_class": {
            "rows": tree["classes"],
            "from": scale_start([row["recall"] for row in tree["classes"]]),
            "pairs": confusion_pictures(tree["confused_pairs"], confusions, test, done.record.threshold),
            "curve": curve_picture(done.probabilities, done.splits, done.results, rejection["target"]),
        }
    }


def _figures(task: Task, done: Finished) -> dict[str, Any]:
    """The figures of the test and of the training."""
    return {
        "curves": curve_figures(task.positive_name, done),
        "misses": missed_images(done),
        "curve": training_curve(done.history),
        "sheet": attribution_pictures(task, done),
        "method": DEFAULT_METHOD,
    }


def _block(results: Mapping[str, Mapping[str, Any]], name: str) -> dict[str, Mapping[str, Any]]:
    return {split: result.get(name, {}) for split, result in results.items()}


def _abstention(task: Task, record: ModelRecord, tree: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs that are not assessed, in a sentence and by class, and the measures of the images that are left."""
    shown = [one for one in measures_in(Table.ABSTENTION) if one.key in tree["assessed"]]
    left = [f"{one.heading} {measure_text(tree['assessed'][one.key])}" for one in shown]
    return {
        "text": abstention_text(tree, task.positive_name),
        "rows": abstention_rows(tree, task.display_name),
        "rule": rule_text(record.ood, task.positive_name),
        "left": left,
    }


def _domain_tables(done: Finished) -> list[dict[str, Any]]:
    """The test by domain; and validation, where networks that were trained without a domain judged it."""
    tables = []
    if done.domains_left_out:
        heading = "Each domain by the network that was trained without it (these images chose the threshold)"
        tables.append({"heading": heading, **_domain_table(done.results["validation"]["domains"])})
    if len(domains := done.results["test"]["domains"]) > 1:
        tables.append({"heading": "By domain, test", **_domain_table(domains)})
    return tables


def _domain_table(domains: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A row for each domain, the worst first, that of a small one saying only that; and the worst beside the best."""
    shown = [one for one in measures_in(Table.DOMAINS) if any(one.key in block for block in domains.values())]
    large = {name: block for name, block in domains.items() if block["n"] is not None}
    order = ranked(large)
    rows = [
        {
            "domain": name,
            "n": str(domains[name]["n"] or domains[name].get("reason", "")),
            "cells": [measure_text(domains[name].get(one.key, "")) for one in shown],
        }
        for name in [*order, *(other for other in domains if other not in order)]
    ]
    extremes = worst_and_best(large) if len(large) > 1 else None
    return {"rows": rows, "columns": [one.heading for one in shown], "extremes": extremes}


def _auxiliary(name: str, results: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The accuracy of one auxiliary task on each split."""
    found = {
        split: measure_text(result["auxiliary"][name]["accuracy"]) if "auxiliary" in result else "not measured"
        for split, result in results.items()
    }
    return {"task": name, **found}


def _counts(name: str, split: Split, classes: int) -> dict[str, Any]:
    """The number of images, groups and images of each class of a split."""
    groups = set(split.grouping.groups)
    counts = np.bincount(split.labels, minlength=classes).tolist()
    return {"split": name, "images": len(split.samples), "groups": len(groups), "counts": counts}


def _facts(task: Task, done: Finished) -> list[tuple[str, Any]]:
    """Names and values of what makes up model and environment."""
    record, environment = done.record, done.environment
    packages = ", ".join(f"{name} {number}" for name, number in environment["packages"].items())
    return [
        ("backbone", record.backbone["name"]),
        *_weights_facts(record),
        ("features", _each_once(record, _features_text)),
        ("input", f"{_sides(record)} px, {dict(record.preprocessing.options)}"),
        ("training domains", ", ".join(record.domains)),
        ("acquisition of the training images", describe_seen(record.acquisition)),
        ("threshold", f"{record.threshold:.4f}"),
        certificate_text(record),
        *(_series_facts(record) if task.series_kinds else []),
        (
            "out-of-distribution threshold",
            f"{record.ood['threshold']:.3f}, {rule_text(record.ood, task.positive_name)}",
        ),
        ("temperature", f"{record.temperature:.3f}"),
        ("SHA-256 of the data", record.data_hash),
        ("SHA-256 of the weights", record.weights_hash),
        ("ONNX against torch", f"{environment['onnx_difference']:.1e}, largest difference of a probability"),
        ("device", f"{environment['device']}, {environment['seconds']} s"),
        *_precision_facts(environment.get("precision")),
        *(("backbone in training", line) for line in environment.get("compiled", ())),
        ("packages", packages),
    ]


def _precision_facts(precision: Mapping[str, Any] | None) -> list[tuple[str, Any]]:
    """In which precision a network was trained; nothing of a head that was fitted alone, and of runs of long ago."""
    if precision is None:
        return []
    seconds = precision["seconds"]
    if seconds is None:
        return [("precision of training", precision["name"])]
    timed = ", ".join(f"{value:.3g} s in {name}" for name, value in seconds.items())
    return [("precision of training", f"{precision['name']}; CPU time of a step: {timed}")]


def _series_facts(record: ModelRecord) -> list[tuple[str, Any]]:
    """How slices become one answer, and of which kinds of series there is one."""
    return [
        ("slices to series", _series_rule(record)),
        ("series that get a decision", kinds_text(record.negative_series)),
    ]


def _series_rule(record: ModelRecord) -> str:
    """How the slices of a series become one probability, and why so."""
    return f"{record.aggregation.rule}; {record.aggregation_reason}"


def _weights_facts(record: ModelRecord) -> list[tuple[str, Any]]:
    """Which weights the network began with, what they were trained on, and which stages they do not hold."""
    facts = [
        ("weights", _each_once(record, lambda trunk: trunk["weights"]["spec"])),
        ("pretrained on", _each_once(record, lambda trunk: trunk["weights"].get("pretrained_on", "not recorded"))),
    ]
    if absent := [name for trunk in record.trunks for name in trunk["weights"].get("absent", ())]:
        facts.append(("stages that the weights do not hold", ", ".join(dict.fromkeys(absent))))
    return facts


def _each_once(record: ModelRecord, words: Callable[[Mapping[str, Any]], str]) -> str:
    """What is said of the backbone; of the members of an ensemble, each saying once."""
    return " | ".join(dict.fromkeys(words(trunk) for trunk in record.trunks))


def _features_text(trunk: Mapping[str, Any]) -> str:
    """Layers and pooling of a backbone, and whether it also sees mirror images."""
    mirrored = "; mean of image and mirror image" if trunk.get("mirrored") else ""
    return f"{', '.join(trunk['layers'])}; pooling {trunk['pooling']}{mirrored}"


def _sides(record: ModelRecord) -> str:
    """The side of stored images, and the side to which the network enlarges them where it does."""
    stored = record.preprocessing.size
    return _each_once(
        record,
        lambda trunk: str(stored) if stored == trunk["size"] else f"{stored}, enlarged to {trunk['size']}",
    )
