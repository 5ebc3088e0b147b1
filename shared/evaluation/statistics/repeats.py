"""Measures averaged over repeated runs: their mean, their spread, and an interval that repeats do not narrow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def mean_of_repeats(rows: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Averages each measure over repeats (new folds, other seeds).

    Args:
        rows: For each repeat its measures by name, each with `value`, `n`, and `low` and `high` or None.

    Returns:
        For each measure `value` (the mean), `spread` (the standard deviation over repeats), `n` (of the first repeat
        that has it), and `low` and `high`, the means of the bounds: repeats are tested on the same cases, so they do
        not narrow an interval. Repeats without the measure, and bounds of None, are left out; without bounds `low` and
        `high` are None.
    """
    means: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        rates = [row[name] for row in rows if name in row]
        values = [rate["value"] for rate in rates]
        bounded = [rate for rate in rates if rate["low"] is not None]
        means[name] = {
            "value": float(np.mean(values)),
            "spread": float(np.std(values)),
            "low": float(np.mean([rate["low"] for rate in bounded])) if bounded else None,
            "high": float(np.mean([rate["high"] for rate in bounded])) if bounded else None,
            "n": rates[0]["n"],
        }
    return means
