"""The files of a cross-validation: `crossval.json`, and a page that stands alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shared.evaluation.measure import Table, measures_in
from shared.evaluation.text import column_heading, measure_text
from shared.experiments.crossval import BY_GROUP
from shared.experiments.leave_domain_out import left_out_headings, left_out_verdict
from shared.io.atomic import write_json, write_text
from shared.reporting.html import template
from shared.task import Task

NAME = "crossval"


def write_cross_validation(task: Task, tree: Mapping[str, Any], folder: Path) -> None:
    """Writes a cross-validation by folds as `crossval.json` and `crossval.html` into a folder.

    Args:
        task: The application.
        tree: Result of `shared.experiments.crossval.cross_validate`.
        folder: Existing folder.
    """
    write_json(folder / f"{NAME}.json", tree)
    repeats, folds = len(tree["repeats"]), tree["folds"]
    page = template("crossval.html").render(
        name=folder.name,
        kind="cross-validation",
        title=task.title,
        verdict=[tree["verdict"]],
        disclaimers=tree["disclaimers"],
        parts=_parts(tree["mean"], task.group_name),
        repeats=repeats,
        not_assessed=tree["not_assessed"],
        made=f"{repeats} x {folds} folds: every image was tested once in each repeat, by a model that never saw its "
        f"{task.group_name} or a copy of it. Each fold decided at its own operating point, which its own validation "
        "chose. Repeats narrow no interval.",
        runs=tree["runs"],
    )
    write_text(folder / f"{NAME}.html", page)


def _parts(mean: Mapping[str, Mapping[str, Any]], group: str) -> list[dict[str, Any]]:
    """The measures by group, where there are such, then those by image."""
    by_group = {title.removesuffix(BY_GROUP): one for title, one in mean.items() if title.endswith(BY_GROUP)}
    by_image = {title: one for title, one in mean.items() if not title.endswith(BY_GROUP)}
    parts = ((f"By {group}", by_group), ("By image", by_image))
    return [{"heading": heading, "rows": _rows(found)} for heading, found in parts if found]


def _rows(found: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{"measure": title, "value": measure_text(block), "block": block} for title, block in found.items()]


def write_left_out(task: Task, tree: Mapping[str, Any], folder: Path) -> None:
    """Writes a leave-one-domain-out as `crossval.json` and `crossval.html` into a folder.

    Args:
        task: The application.
        tree: Result of `shared.experiments.leave_domain_out.leave_domains_out`.
        folder: Existing folder.
    """
    write_json(folder / f"{NAME}.json", tree)
    keys = left_out_headings(tree)
    rows = [
        {**row, "domain": domain, "cells": [measure_text(row.get(key, "")) for key in keys]}
        for domain, of_domain in tree["domains"].items()
        for row in of_domain
    ]
    main = _main(rows)
    page = template("left_out.html").render(
        name=folder.name,
        kind="cross-validation, a domain left out at a time",
        title=task.title,
        verdict=left_out_verdict(tree),
        disclaimers=tree["disclaimers"],
        main=None if main is None else column_heading(main),
        rows=[{**row, "measure": row[main], "value": measure_text(row[main])} for row in rows] if main else rows,
        headings=list(keys.values()),
        group=task.group_name,
    )
    write_text(folder / f"{NAME}.html", page)


def _main(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """The first measure that any row defines: the AUC where a class is positive."""
    for one in measures_in(Table.LEAVE_OUT):
        found = [row[one.key] for row in rows if one.key in row]
        if len(found) == len(rows) and any(measure["value"] is not None for measure in found):
            return one.key
    return None
