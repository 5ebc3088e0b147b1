"""What the best rows of a comparison certify, once all cells that shared their validation are counted."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from shared.experiments.comparison.mean_of_seeds import SeedMean
from shared.experiments.comparison.plan import Cell, budget_in_words
from shared.runs.certificate import certificate_text, models_among, restated
from shared.runs.record import ModelRecord, read_model_record


def certificate_lines(
    rows: Sequence[Mapping[str, Any]],
    cells: Sequence[Sequence[Cell]],
    finished: Mapping[Cell, Path],
    means: Sequence[SeedMean | None],
) -> list[str]:
    """Writes for each best row what it certifies, allowing for the choice among all cells and seeds on the same data.

    Seeds may split the data differently, but their validations overlap, and the row is chosen by all of them.

    Args:
        rows: Rows of the table, with `best` as `shared.experiments.comparison.significance.paired_tests` adds it.
        cells: The cells of each row.
        finished: Run folders of the finished cells.
        means: The mean of the seeds of each row, where there is one; they count as compared too.

    Returns:
        One sentence for each best row, with the weakest certificate of its seeds, and one for the mean of these.
    """
    records = {cell: read_model_record(run) for cell, run in finished.items()}
    among = [*records.values(), *(mean.record for mean in means if mean is not None)]
    lines = []
    for row, own, mean in zip(rows, cells, means, strict=True):
        if row["best"]:
            runs = [records[cell] for cell in own if cell in records]
            name, text = certificate_text(weakest(runs, among))
            what = f"{row['backbone']} x {row['strategy']}, {budget_in_words(row['labels_per_class'])}"
            lines.append(f"Best by validation ({what}), the weakest of its seeds: {name} {text}.")
            if mean is not None:
                name, text = certificate_text(weakest([mean.record], among))
                lines.append(f"The {mean.name} ({what}): {name} {text}.")
    return lines


def weakest(runs: Sequence[ModelRecord], among: Collection[ModelRecord]) -> ModelRecord:
    """Restates the certificates of runs for all models that were compared on their data, and returns the weakest.

    Args:
        runs: Records of the runs, at least one.
        among: Records of all runs that were compared, those in `runs` among them.

    Returns:
        The record of the run with the lowest certified sensitivity, or the highest certified error; of one that
        certifies nothing where there is such a run.
    """
    found = []
    for run in runs:
        total = sum(models_among(one) for one in among if one.data_hash == run.data_hash)
        found.append(restated(run, total))
    return min(found, key=_strength)


def _strength(record: ModelRecord) -> float:
    """How much a record certifies: its sensitivity, or its share of right answers; below all where nothing."""
    if record.certified_sensitivity is not None:
        return record.certified_sensitivity
    return -1.0 if record.certified_error is None else 1.0 - record.certified_error
