"""The files of a comparison: `compare.json`, `compare.csv`, `compare.tex`, and an HTML page that stands alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shared.config.schema import Published
from shared.evaluation.statistics.intervals import wilson
from shared.evaluation.text import column_heading, measure_text
from shared.experiments.comparison.figures import learning_curves, pareto_plot
from shared.experiments.comparison.plan import Cell, Plan
from shared.experiments.comparison.table import shown_rows
from shared.experiments.comparison.text import NOTES, as_csv, as_latex, failure_lines, headings, table_body
from shared.experiments.comparison.verdict import comparison_verdict
from shared.io.atomic import write_json, write_text
from shared.models.backbones.build import find_backbone
from shared.models.pretrained_on import pretrained_on
from shared.reporting.class_report import scale_start
from shared.reporting.html import template
from shared.reporting.index import RUN_REPORT


def write_comparison(tree: Mapping[str, Any], title: str, folder: Path) -> None:
    """Writes a comparison as `compare.json`, `compare.csv`, `compare.tex` and `compare.html` into its folder.

    Args:
        tree: Result of `shared.experiments.comparison.run.run_comparison`.
        title: Title of the application.
        folder: Folder of the comparison.
    """
    write_json(folder / "compare.json", tree)
    write_text(folder / "compare.csv", as_csv(tree))
    write_text(folder / "compare.tex", as_latex(tree))
    write_text(folder / "compare.html", template("compare.html").render(_context(tree, title, folder)))


def _context(tree: Mapping[str, Any], title: str, folder: Path) -> dict[str, Any]:
    """Everything that the page shows."""
    return {
        "name": tree["name"],
        "kind": "comparison",
        "title": title,
        "verdict": comparison_verdict(tree),
        "disclaimers": tree["disclaimers"],
        "main": column_heading(tree["main"]),
        "from": scale_start([row["measures"].get(tree["main"], {}) for row in shown_rows(tree)]),
        "glance": _glance(tree),
        "headings": headings(tree),
        "lines": table_body(tree),
        "reading": NOTES,
        "notes": tree["notes"],
        "failures": failure_lines(tree),
        "published": tree["published"],
        "pareto": pareto_plot(tree),
        "curves": learning_curves(tree),
        "runs": [
            {"name": run, "has_report": (folder / run / RUN_REPORT).is_file()}
            for row in tree["rows"]
            for run in row["runs"].values()
        ],
    }


def _glance(tree: Mapping[str, Any]) -> list[dict[str, Any]]:
    """For each row of the table its setting, main measure and verdict, and whether it begins another label budget."""
    rows = shown_rows(tree)
    return [
        {
            "setting": f"{row['backbone']} x {row['strategy']}, "
            f"{'all' if row['labels_per_class'] is None else row['labels_per_class']}",
            "measure": row["measures"].get(tree["main"]),
            "value": measure_text(row["measures"].get(tree["main"], "-")),
            "verdict": row["verdict"],
            "best": row["best"],
            "starts": place > 0 and row["labels_per_class"] != rows[place - 1]["labels_per_class"],
        }
        for place, row in enumerate(rows)
    ]


def published_lines(plan: Plan, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Compares each published accuracy with the rows of the same setting, in a line of text for each pair.

    The setting is that of the base configuration: weights that were trained on the same, its strategy, all labels.

    Args:
        plan: The comparison, whose base names published results by backbone.
        rows: Rows of the table, in the order of `plan.rows()`.

    Returns:
        The lines; a published accuracy without such a row has a line that says so. Empty where none is published.
    """
    lines = []
    for backbone, said in plan.base.published.items():
        if said.accuracy is None:
            continue
        line = f"{backbone}: published accuracy {said.accuracy:g}{_of_images(said)} ({said.source})"
        pairs = zip(rows, plan.rows(), strict=True)
        fitting = [(row, cells) for row, cells in pairs if _in_setting(plan, backbone, cells[0])]
        if not fitting:
            lines.append(f"{line}: not testable here, no row has weights and strategy of the base and all labels")
        note = "" if said.note is None else f" ({said.note})"
        lines += [f"{line}; {row['backbone']} x {row['strategy']}{_verdict(said, row)}{note}" for row, _ in fitting]
    return lines


def _in_setting(plan: Plan, backbone: str, cell: Cell) -> bool:
    config, base = cell.config, plan.base
    if config.backbone.name != backbone or config.strategy != base.strategy or cell.labels is not None:
        return False
    record = find_backbone(backbone)
    given, meant = (
        pretrained_on(record, one.backbone.weights, stated=one.backbone.pretrained_on) for one in (config, base)
    )
    return given == meant


def _published_interval(said: Published) -> tuple[float, float] | None:
    """The 95% interval of a published accuracy; None where the paper's number of test images is not known."""
    if said.accuracy is None or said.test_images is None:
        return None
    return wilson(round(said.accuracy * said.test_images), said.test_images)


def _of_images(said: Published) -> str:
    """The interval of a published accuracy in words, from a blank on; empty where none is known."""
    interval = _published_interval(said)
    return "" if interval is None else f" [{interval[0]:.3f}, {interval[1]:.3f}] of {said.test_images} test images"


def _verdict(said: Published, row: Mapping[str, Any]) -> str:
    """Whether a published value lies within the interval of a row, in words."""
    found = row["measures"].get("accuracy")
    if found is None:
        return f": not testable here, {next(iter(row['failures'].values()), 'no test image')}"
    here = f" {measure_text(found)}"
    if found["low"] is None:
        return f"{here}: not testable here, too few independent images for an interval"
    if said.accuracy is not None and found["low"] <= said.accuracy <= found["high"]:
        return f"{here}: reproduced"
    theirs = _published_interval(said)
    overlap = theirs is not None and theirs[0] <= found["high"] and found["low"] <= theirs[1]
    return f"{here}: not reproduced{', though the intervals overlap' if overlap else ''}"
