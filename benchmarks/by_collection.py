"""Judges a run of medtl by collection, on people it did not know: `python -m benchmarks.by_collection RUN`.

The scores are those of the run itself. With `data.cross_fitting` each image of validation was judged by a network that
was trained without its patient, so that collections that training knows are judged too, with the run's thresholds.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from shared.errors import MedtlError
from shared.evaluation.decision.series import SeriesScores, score_series
from shared.runs.predictions import Predictions, read_predictions
from shared.runs.record import ModelRecord, read_model_record

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]


def main() -> int:
    """Prints the table; 2 where something cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.by_collection", description=__doc__)
    parser.add_argument("run", type=Path, help="a finished run")
    wanted = parser.parse_args()
    try:
        record, found = read_model_record(wanted.run), read_predictions(wanted.run, "validation")
    except MedtlError as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(table(record, found)))
    return 0


def table(record: ModelRecord, found: Predictions) -> list[str]:
    """Returns the lines of the table: a row for each collection, then series and patients of all.

    Args:
        record: The run's model record: its thresholds, and how slices become a series.
        found: The run's predictions for images that the judging network did not learn from.
    """
    scores, truth = found.positive(record)
    series = score_series(scores, truth, found.grouping, record.aggregation)
    several = np.array([length.slices > 1 for length in series.lengths])
    domains = np.array(found.domains)
    of_series = np.array(list(dict(zip(found.grouping.series, found.domains, strict=True)).values()))
    lines = ["| collection | slices | AUC | sensitivity, false alarms | series found | tumour-free series negative |"]
    lines.append("|---|--:|---|---|---|---|")
    for domain in sorted(set(found.domains)):
        one = domains == domain
        called = scores[one] >= record.image_threshold
        rates = [_share(called[truth[one]]), _share(called[~truth[one]])]
        lines.append(
            f"| {domain} | {one.sum()} | {_auc(scores[one], truth[one])} | {', '.join(rates)} | "
            f"{_counts(record, series, several & (of_series == domain))} |"
        )
    lines.append(f"| all | {len(truth)} | {_auc(scores, truth)} | | {_counts(record, series, several)} |")
    lines.append("")
    lines.append(_by_patient(record, series, several))
    return lines


def _counts(record: ModelRecord, series: SeriesScores, chosen: Flags) -> str:
    """Of the chosen series: positive ones that are called, and tumour-free ones that are not."""
    called = series.scores >= record.threshold
    positive, negative = chosen & series.truth, chosen & ~series.truth
    return f"{(called & positive).sum()} of {positive.sum()} | {(~called & negative).sum()} of {negative.sum()}"


def _by_patient(record: ModelRecord, series: SeriesScores, several: Flags) -> str:
    """How many patients are found in one series at least, and in all of theirs."""
    chosen = several & series.truth
    patients: dict[str, list[bool]] = {}
    for group, called in zip(np.array(series.groups)[chosen], series.scores[chosen] >= record.threshold, strict=True):
        patients.setdefault(group, []).append(bool(called))
    once, always = sum(any(one) for one in patients.values()), sum(all(one) for one in patients.values())
    return f"patients found in one series at least: {once} of {len(patients)}; in all of theirs: {always}"


def _auc(scores: Values, truth: Flags) -> str:
    return f"{roc_auc_score(truth, scores):.3f}" if truth.any() and not truth.all() else ""


def _share(called: Flags) -> str:
    return f"{np.mean(called):.2f}" if len(called) else "none"


if __name__ == "__main__":
    sys.exit(main())
