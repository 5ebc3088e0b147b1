"""The table of a comparison as people and programs read it: aligned text, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from shared.evaluation.text import short_name
from shared.experiments.comparison.plan import budget_in_words

SHOWN = ("auc", "sensitivity", "specificity", "accuracy")
LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    }
)
NOTES = (
    "Measures of the test are means over seeds, each of which may divide the data anew; in brackets the means of their "
    "95% bounds, which seeds do not narrow; ± is the standard deviation over seeds.",
    "Best (*): by validation, for each label budget. Against best: the difference of the AUC where there is one, else "
    "of the accuracy, on the same test images; for AUC copies of a picture, and all images of a group, count as one. "
    "p: of that difference (DeLong for AUC, exact flips of signs of units for accuracy), the largest over seeds, "
    "corrected by Holm over the whole table.",
    "Seconds (mean over seeds) and peak memory (largest) are those of the whole run in a process of its own, reading "
    "and export too: less where an earlier run left features in the cache, and of the last start of a resumed run.",
    "Images a second and latency: by ONNX Runtime on this machine, shortest times, with the out-of-distribution score, "
    "which takes longer the more training images it compares with. FLOPs: of one image, multiply and add apart.",
)
"""What must be known to read the table."""


def headings(tree: Mapping[str, Any]) -> list[str]:
    """Of the columns."""
    return [
        "labels",
        "backbone",
        "strategy",
        *(short_name(name) for name in _measures(tree)),
        "against best",
        "p (Holm)",
        "seconds",
        "MiB",
        "M params",
        "GFLOPs",
        "images/s",
        "ms",
    ]


def lines_of(tree: Mapping[str, Any]) -> list[list[str]]:
    """The cells of each row, in words."""
    return [_line(row, _measures(tree)) for row in tree["rows"]]


def failures_of(tree: Mapping[str, Any]) -> list[str]:
    """What failed, a line for each row and reason."""
    lines = []
    for row in tree["rows"]:
        seeds: dict[str, list[str]] = {}
        for seed, reason in row["failures"].items():
            seeds.setdefault(reason, []).append(seed)
        name = f"{row['backbone']} x {row['strategy']}, {budget_in_words(row['labels_per_class'])}"
        lines += [f"{name}, seed {', '.join(those)}: {reason}" for reason, those in seeds.items()]
    return lines


def as_text(tree: Mapping[str, Any]) -> list[str]:
    """Everything, for a terminal."""
    table = [headings(tree), *lines_of(tree)]
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    rows = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table]
    return [
        *tree["disclaimers"],
        "",
        *rows,
        "",
        *NOTES,
        *tree["notes"],
        *(f"failed: {line}" for line in failures_of(tree)),
        *tree["published"],
    ]


def as_csv(tree: Mapping[str, Any]) -> str:
    """Every number of the table with all its digits; failed cells by their reasons."""
    stream = io.StringIO()
    measures = _measures(tree)
    ends = ("value", "spread", "low", "high")
    tested = ("difference", "low", "high", "p", "p_holm")
    costs = ("parameters", "flops", "images_a_second", "latency_ms")
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(
        ["labels_per_class", "backbone", "strategy", "seeds", "validation", "best"]
        + [name if end == "value" else f"{name}_{end}" for name in measures for end in ends]
        + [f"against_best_{key}" for key in tested]
        + ["seconds", "peak_memory_mib", *costs, "failures"]
    )
    for row in tree["rows"]:
        table.writerow(
            ["all" if row["labels_per_class"] is None else row["labels_per_class"], row["backbone"], row["strategy"]]
            + [len(row["runs"]), row["validation"], row["best"]]
            + [row["measures"].get(name, {}).get(end) for name in measures for end in ends]
            + [(row["against_best"] or {}).get(key) for key in tested]
            + [row["seconds"], row["peak_memory_mib"], *((row["costs"] or {}).get(key) for key in costs)]
            + ["; ".join(f"seed {seed}: {reason}" for seed, reason in row["failures"].items())]
        )
    return stream.getvalue()


def as_latex(tree: Mapping[str, Any]) -> str:
    """A `tabular` that needs no package: rules above, below the headings and at the end."""
    names = headings(tree)
    rows = [" & ".join(cell.translate(LATEX).replace("±", r"$\pm$") for cell in line) for line in lines_of(tree)]
    notes = (
        *NOTES,
        *tree["notes"],
        *(f"failed: {line}" for line in failures_of(tree)),
        *tree["published"],
        *tree["disclaimers"],
    )
    return "\n".join(
        [
            *(f"% {' '.join(note.split())}" for note in notes),
            rf"\begin{{tabular}}{{lll{'r' * (len(names) - 3)}}}",
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
    """Those that any row has."""
    return [name for name in SHOWN if any(name in row["measures"] for row in tree["rows"])] or [tree["main"]]


def _line(row: Mapping[str, Any], measures: Sequence[str]) -> list[str]:
    labels = row["labels_per_class"]
    costs = row["costs"] or {}
    return [
        "all" if labels is None else str(labels),
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


def _measure(row: Mapping[str, Any], name: str) -> str:
    measure = row["measures"].get(name)
    if measure is None:
        return "not defined" if row["runs"] else "failed"
    bounds = "" if measure["low"] is None else f" [{measure['low']:.3f}, {measure['high']:.3f}]"
    spread = f" ± {measure['spread']:.3f}" if len(row["runs"]) > 1 else ""
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
