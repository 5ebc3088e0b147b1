"""The table of a comparison as aligned text, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from shared.evaluation.measure import Table, measures_in
from shared.evaluation.text import column_heading
from shared.experiments.comparison.plan import budget_in_words
from shared.experiments.comparison.table import shown_rows
from shared.experiments.comparison.verdict import comparison_verdict

LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    }
)
NOTES = (
    "Verdict: of the worst seed, on its test. Not usable: everybody or nobody positive, everything rejected, chance. "
    "Above chance says no more than that.",
    "Measures of the test are means over seeds, each of which may split the data differently; brackets hold the means "
    "of their 95% bounds, which more seeds do not narrow; ± is the standard deviation over seeds.",
    "Best (*): by validation, or the folds that stand for it, for each label budget. Against best: the difference in "
    "AUC where it is defined, else in accuracy, on the same test images; for AUC, copies of a picture and all images "
    "of a group count as one. p: of that difference (DeLong's test for AUC, exact sign-flip test over units for "
    "accuracy), the largest over seeds, corrected by Holm's method over the whole table.",
    "Seconds (mean over seeds) and peak memory (largest) are those of a run from its start to its end, several of "
    "which may run at once: less where an earlier run left images or features in the cache, more where a run is kept "
    "whole, with exported network and report; for a resumed run, of its last start.",
    "Images a second and latency: ONNX Runtime on this machine, shortest times, with the out-of-distribution score, "
    "which takes longer the more training images it compares with. FLOPs: of one image; a multiply-add counts as two.",
)
"""Notes without which the table cannot be read."""


def headings(tree: Mapping[str, Any]) -> list[str]:
    """Lists the headings of the columns of the table, from left to right.

    Args:
        tree: Result of `shared.experiments.comparison.run.run_comparison`.
    """
    return [
        "verdict",
        "labels",
        "backbone",
        "strategy",
        *(column_heading(name) for name in _measures(tree)),
        "against best",
        "p (Holm)",
        "seconds",
        "MiB",
        "M params",
        "GFLOPs",
        "images/s",
        "ms",
    ]


def table_body(tree: Mapping[str, Any]) -> list[list[str]]:
    """Makes the rows of the table below the headings: for each row a text for each column of `headings`.

    Args:
        tree: Result of `shared.experiments.comparison.run.run_comparison`.
    """
    return [_line(row, _measures(tree)) for row in shown_rows(tree)]


def failure_lines(tree: Mapping[str, Any]) -> list[str]:
    """Lists the failed runs, a line for each row and reason; empty where none failed.

    Args:
        tree: Result of `shared.experiments.comparison.run.run_comparison`.
    """
    lines = []
    for row in tree["rows"]:
        seeds: dict[str, list[str]] = {}
        for seed, reason in row["failures"].items():
            seeds.setdefault(reason, []).append(seed)
        name = f"{row['backbone']} x {row['strategy']}, {budget_in_words(row['labels_per_class'])}"
        lines += [f"{name}, seed {', '.join(those)}: {reason}" for reason, those in seeds.items()]
    return lines


def as_text(tree: Mapping[str, Any]) -> list[str]:
    """Writes the whole comparison as lines of text: disclaimers, verdict, table, notes, failures, published results.

    Args:
        tree: Result of `shared.experiments.comparison.run.run_comparison`.
    """
    table = [headings(tree), *table_body(tree)]
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    rows = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table]
    return [
        *tree["disclaimers"],
        *comparison_verdict(tree),
        "",
        *rows,
        "",
        *NOTES,
        *tree["notes"],
        *(f"failed: {line}" for line in failure_lines(tree)),
        *tree["published"],
    ]


def as_csv(tree: Mapping[str, Any]) -> str:
    """Writes the table as the text of a CSV file: numbers with all their digits, and failed runs with their reasons.

    Args:
        tree: Result of `shared.experiments.comparison.run.run_comparison`.
    """
    stream = io.StringIO()
    measures = _measures(tree)
    ends = ("value", "spread", "low", "high")
    tested = ("difference", "low", "high", "p", "p_holm")
    costs = ("parameters", "flops", "images_a_second", "latency_ms")
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(
        ["verdict", "labels_per_class", "chosen_by", "backbone", "strategy", "seeds", "validation", "best"]
        + [name if end == "value" else f"{name}_{end}" for name in measures for end in ends]
        + [f"against_best_{key}" for key in tested]
        + ["seconds", "peak_memory_mib", *costs, "failures"]
    )
    for row in shown_rows(tree):
        table.writerow(
            [row["verdict"], "all" if row["labels_per_class"] is None else row["labels_per_class"], row["chosen_by"]]
            + [row["backbone"], row["strategy"], len(row["runs"]), row["validation"], row["best"]]
            + [row["measures"].get(name, {}).get(end) for name in measures for end in ends]
            + [(row["against_best"] or {}).get(key) for key in tested]
            + [row["seconds"], row["peak_memory_mib"], *((row["costs"] or {}).get(key) for key in costs)]
            + ["; ".join(f"seed {seed}: {reason}" for seed, reason in row["failures"].items())]
        )
    return stream.getvalue()


def as_latex(tree: Mapping[str, Any]) -> str:
    """Writes the table as LaTeX source: a `tabular` that needs no package, after notes and failures as comments.

    Args:
        tree: Result of `shared.experiments.comparison.run.run_comparison`.
    """
    names = headings(tree)
    rows = [" & ".join(cell.translate(LATEX).replace("±", r"$\pm$") for cell in line) for line in table_body(tree)]
    notes = (
        *NOTES,
        *tree["notes"],
        *(f"failed: {line}" for line in failure_lines(tree)),
        *tree["published"],
        *tree["disclaimers"],
    )
    return "\n".join(
        [
            *(f"% {' '.join(note.split())}" for note in notes),
            rf"\begin{{tabular}}{{llll{'r' * (len(names) - 4)}}}",
            r"\hline",
            " & ".join(name.translate(LATEX) for name in names) + r" \\",
            r"\hline",
            *(rf"{row} \\" for row in rows),
            r"\hline",
            r"\end{tabular}",
            "",
        ]
    )


def _measures(tree: Mapping[str, Any]) -> list[str]:
    """The keys of the measures that any row has."""
    shown = [measure.key for measure in measures_in(Table.COMPARISON)]
    return [key for key in shown if any(key in row["measures"] for row in tree["rows"])] or [tree["main"]]


def _line(row: Mapping[str, Any], measures: Sequence[str]) -> list[str]:
    costs = row["costs"] or {}
    return [
        row["verdict"],
        _labels(row),
        row["backbone"],
        row["strategy"],
        *(_measure(row, name) for name in measures),
        *_tested(row),
        _number(row["seconds"], "{:.0f}"),
        _number(row["peak_memory_mib"], "{:.0f}"),
        _number(costs.get("parameters"), "{:.2f}", 1e6),
        _number(costs.get("flops"), "{:.3f}", 1e9),
        _number(costs.get("images_a_second"), "{:.0f}"),
        _number(costs.get("latency_ms"), "{:.1f}"),
    ]


def _labels(row: Mapping[str, Any]) -> str:
    """The label budget, and that validation kept its labels where it did."""
    labels = "all" if row["labels_per_class"] is None else str(row["labels_per_class"])
    return f"{labels} (validation labelled)" if row["chosen_by"] == "labelled" else labels


def _measure(row: Mapping[str, Any], name: str) -> str:
    measure = row["measures"].get(name)
    if measure is None:
        return "not defined" if row["runs"] else "failed"
    bounds = "" if measure["low"] is None else f" [{measure['low']:.3f}, {measure['high']:.3f}]"
    spread = f" ± {measure['spread']:.3f}" if measure["spread"] is not None and len(row["runs"]) > 1 else ""
    lost = f" ({len(row['failures'])} failed)" if row["failures"] else ""
    return f"{measure['value']:.3f}{spread}{bounds}{lost}"


def _tested(row: Mapping[str, Any]) -> tuple[str, str]:
    found = row["against_best"]
    if found is None:
        return ("* best" if row["best"] else "-"), "-"
    bounds = "" if found["low"] is None else f" [{found['low']:+.3f}, {found['high']:+.3f}]"
    return f"{found['difference']:+.3f}{bounds}", "< 0.001" if found["p_holm"] < 0.001 else f"{found['p_holm']:.3f}"


def _number(value: float | None, form: str, unit: float = 1.0) -> str:
    return "-" if value is None else form.format(value / unit)
