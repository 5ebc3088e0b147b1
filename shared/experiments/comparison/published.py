"""Figures of a paper beside those of a comparison: reproduced, not reproduced, or not testable here and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.config import Published
from shared.evaluation.text import in_words
from shared.experiments.comparison.plan import Cell, Plan


def published_lines(plan: Plan, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each published accuracy and row in its setting: weights and strategy of the base, all labels."""
    lines = []
    for backbone, said in plan.base.published.items():
        if said.accuracy is None:
            continue
        told = f"{backbone}: published accuracy {said.accuracy:g} ({said.source})"
        pairs = zip(rows, plan.rows(), strict=True)
        fitting = [(row, cells) for row, cells in pairs if _is_of(plan, backbone, cells[0])]
        if not fitting:
            lines.append(
                f"{told}: not testable here, no row has it with weights and strategy of the base on all labels"
            )
        note = "" if said.note is None else f" ({said.note})"
        lines += [f"{told}; {row['backbone']} x {row['strategy']}{_verdict(said, row)}{note}" for row, _ in fitting]
    return lines


def _is_of(plan: Plan, backbone: str, cell: Cell) -> bool:
    config, base = cell.config, plan.base
    alike = config.strategy == base.strategy and config.backbone.weights == base.backbone.weights
    return alike and config.backbone.name == backbone and cell.labels is None


def _verdict(said: Published, row: Mapping[str, Any]) -> str:
    """Reproduced where the published value lies within this row's interval."""
    found = row["measures"].get("accuracy")
    if found is None:
        return f": not testable here, {next(iter(row['failures'].values()), 'no test image')}"
    here = f" {in_words(found)}"
    if found["low"] is None:
        return f"{here}: not testable here, too few independent images for an interval"
    within = said.accuracy is not None and found["low"] <= said.accuracy <= found["high"]
    return f"{here}: {'reproduced' if within else 'not reproduced'}"
