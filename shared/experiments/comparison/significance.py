"""Paired tests of a comparison: rows against the best one, means of seeds against their best run; with correction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shared.evaluation.statistics.paired import holm, over_seeds
from shared.experiments.comparison.mean_of_seeds import SeedMean
from shared.experiments.comparison.pairwise import Tested, compare_runs, compare_tests, read_test
from shared.experiments.comparison.plan import Cell, budget_in_words
from shared.experiments.comparison.table import measures_of
from shared.io.atomic import read_json
from shared.runs.predictions import read_predictions


def paired_tests(
    rows: Sequence[dict[str, Any]], cells: Sequence[Sequence[Cell]], finished: Mapping[Cell, Path], main: str
) -> list[str]:
    """Tests every row against the best one of its label budget, and adds `best` and `against_best` to each.

    The best is chosen by the mean of the main measure on validation, among the rows that lack the fewest seeds; the
    test has no part in it. `against_best` is None for the best itself and where no test was possible; else
    `difference`, `low` and `high` (means over seeds), `by_seed` (the p-value of each), `p` and `p_holm`.

    Args:
        rows: Rows of the table, as `shared.experiments.comparison.table.table_row` gives them; they are changed. The
            test of the `mean` of a row, where it has one, is corrected with the others.
        cells: The cells of each row.
        finished: Run folders of the finished cells.
        main: Key of the main measure: "auc" (DeLong's test over units) or "accuracy" (sign flips of units).

    Returns:
        A sentence for each test that was not possible, with the reason.
    """
    tests = [row["mean"]["against_best"] for row in rows if row["mean"] is not None]
    notes, tested = list[str](), [test for test in tests if test is not None]
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


def against_best_run(mean: SeedMean, runs: Mapping[int, Path], main: str) -> dict[str, Any] | None:
    """Tests the mean of the seeds of a row against the best of its runs, which validation chooses.

    Args:
        mean: The mean.
        runs: Its run folders by seed.
        main: Key of the main measure.

    Returns:
        What `paired_tests` adds to a row, with the one seed of the best run in `by_seed`; None where no run has the
        measure on validation, or the test is not defined.
    """
    reports = {seed: measures_of(read_json(run / "report.json")["validation"]).get(main) for seed, run in runs.items()}
    values = {seed: float(measure["value"]) for seed, measure in reports.items() if measure is not None}
    if not values:
        return None
    best = max(values, key=lambda seed: values[seed])
    found = compare_tests(Tested(mean.name, mean.record, mean.predictions), read_test(runs[best]))[main]
    if found is None:
        return None
    return {
        "difference": found["first"] - found["second"],
        **{key: found[key] for key in ("low", "high", "p")},
        "by_seed": {str(best): found["p"]},
    }


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
