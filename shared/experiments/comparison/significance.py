"""Paired tests of a comparison: every row against the best one of its label budget, corrected for their number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shared.evaluation.statistics.paired import holm, over_seeds
from shared.experiments.comparison.pairwise import compare_runs
from shared.experiments.comparison.plan import Cell, budget_in_words
from shared.runs.predictions import read_predictions


def paired_tests(
    rows: Sequence[dict[str, Any]], cells: Sequence[Sequence[Cell]], finished: Mapping[Cell, Path], main: str
) -> list[str]:
    """Tests every row against the best one of its label budget, and adds `best` and `against_best` to each.

    The best is chosen by the mean of the main measure on validation, among the rows that lack the fewest seeds; the
    test has no part in it. `against_best` is None for the best itself and where no test was possible; else
    `difference`, `low` and `high` (means over seeds), `by_seed` (the p-value of each), `p` and `p_holm`.

    Args:
        rows: Rows of the table, as `shared.experiments.comparison.table.table_row` gives them; they are changed.
        cells: The cells of each row.
        finished: Run folders of the finished cells.
        main: Key of the main measure: "auc" (DeLong's test over units) or "accuracy" (sign flips of units).

    Returns:
        A sentence for each test that was not possible, with the reason.
    """
    notes, tested = list[str](), list[dict[str, Any]]()
    runs = [{cell.seed: finished[cell] for cell in row if cell in finished} for row in cells]
    for row in rows:
        row |= {"best": False, "against_best": None}
    for labels in dict.fromkeys(row["labels_per_class"] for row in rows):
        here = [i for i, row in enumerate(rows) if row["labels_per_class"] == labels and row["validation"] is not None]
        if not here:
            continue
        if fault := _different_tests(rows, here, runs):
            notes.append(f"{budget_in_words(labels)}: no paired test, for {fault}.")
            continue
        best = min(here, key=lambda i: (-len(runs[i]), -rows[i]["validation"]))
        rows[best]["best"] = True
        for i in here:
            if i == best:
                continue
            rows[i]["against_best"] = found = _over_seeds(runs[i], runs[best], main)
            if found is None:
                notes.append(
                    f"{rows[i]['backbone']} x {rows[i]['strategy']}, {budget_in_words(labels)}: no paired test, for in "
                    f"no seed do both runs have a defined {main}."
                )
            else:
                tested.append(found)
    for found, corrected in zip(tested, holm([found["p"] for found in tested]), strict=True):
        found["p_holm"] = corrected
    return notes


def _over_seeds(runs: Mapping[int, Path], best: Mapping[int, Path], main: str) -> dict[str, Any] | None:
    found = {seed: compare_runs(run, best[seed])[main] for seed, run in runs.items() if seed in best}
    tests = {seed: test for seed, test in found.items() if test is not None}
    if not tests:
        return None
    differences = [test["first"] - test["second"] for test in tests.values()]
    bounds = [(test["low"], test["high"]) for test in tests.values() if test["low"] is not None]
    return {
        "difference": float(np.mean(differences)),
        "low": float(np.mean([low for low, _ in bounds])) if bounds else None,
        "high": float(np.mean([high for _, high in bounds])) if bounds else None,
        "by_seed": {str(seed): test["p"] for seed, test in tests.items()},
        "p": over_seeds(differences, [test["p"] for test in tests.values()]),
    }


def _different_tests(
    rows: Sequence[Mapping[str, Any]], here: Sequence[int], runs: Sequence[Mapping[int, Path]]
) -> str | None:
    """Names two rows that were tested on different images; None where all were tested on the same."""
    first: dict[int, tuple[int, frozenset[str]]] = {}
    for i in here:
        for seed, run in runs[i].items():
            images = frozenset(read_predictions(run).samples)
            other, known = first.setdefault(seed, (i, images))
            if images != known:
                one, two = (f"{rows[k]['backbone']} x {rows[k]['strategy']}" for k in (other, i))
                return f"{one} and {two} were tested on different images (seed {seed})"
    return None
