"""Measures as people read them, in terminals, reports and model cards alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.task import Task

MEASURES = (
    ("auc", "AUC"),
    ("average_precision", "average precision"),
    ("sensitivity", "sensitivity"),
    ("specificity", "specificity"),
    ("false_negatives", "false negatives"),
    ("false_negative_rate", "false-negative rate"),
    ("ppv", "PPV at the prevalence of the data"),
    ("npv", "NPV at the prevalence of the data"),
    ("ppv_at_prevalence", "PPV at the stated prevalence"),
    ("npv_at_prevalence", "NPV at the stated prevalence"),
    ("f_beta", "F2"),
    ("cost", "cost an image, in false alarms"),
    ("accuracy", "accuracy, likeliest class"),
    ("balanced_accuracy", "balanced accuracy, likeliest class"),
    ("coverage", "accepted at the threshold (coverage)"),
    ("selective_error", "error among accepted answers"),
    ("rejected_error", "error among rejected answers"),
    ("brier_score", "Brier score"),
    ("expected_calibration_error", "expected calibration error"),
)
SUMMARY = (
    "auc",
    "sensitivity",
    "specificity",
    "false_negatives",
    "accuracy",
    "balanced_accuracy",
    "coverage",
    "selective_error",
    "ppv_at_prevalence",
    "npv_at_prevalence",
    "cost",
)
MANY_CLASSES = 12
"""With more classes no table has a column for each."""


def disclaimers(task: Task, synthetic: bool) -> list[str]:
    """What must stand before every result of a model, and that it was trained on synthetic images where it was."""
    return [
        *task.disclaimers,
        *(["Synthetic data: the model was trained on images made by a program."] if synthetic else []),
    ]


def rows_of(results: Mapping[str, Mapping[str, Any]]) -> list[dict[str, str]]:
    """A row a measure, with its words under `measure` and its value in each of the results under their names."""
    rows = []
    for key, words in MEASURES:
        if any(key in result for result in results.values()):
            values = {name: in_words(result.get(key, "")) for name, result in results.items()}
            rows.append({"key": key, "measure": words, **values})
    return rows


def short_name(measure: str) -> str:
    """A measure as a heading says it, without how it is counted: `accuracy` for the accuracy of the likeliest class."""
    return dict(MEASURES)[measure].split(",")[0]


def in_words(measure: Any) -> str:
    """A measure with its interval, as a person reads it: `0.953 [0.91, 0.98]`, or why it is not defined."""
    if not isinstance(measure, Mapping):
        return f"{measure:.3f}" if isinstance(measure, float) else str(measure)
    if measure.get("value") is None:
        return f"not defined ({measure.get('reason', 'no data')})"
    value = f"{measure['value']:.3f}"
    if measure.get("low") is not None:
        value += f" [{measure['low']:.3f}, {measure['high']:.3f}]"
    return value


def summary_lines(rows: Sequence[Mapping[str, str]], by_group: Sequence[Mapping[str, str]]) -> list[str]:
    """The main measures of the test, a line each, with those of validation behind them where they are known.

    Args:
        rows: As `rows_of` gives them, by image.
        by_group: The same by group; empty where there are none.
    """
    lines = []
    for unit, table in (("", rows), (", by patient or group", by_group)):
        for row in table:
            if row["key"] in SUMMARY:
                chosen_on = f" (validation {row['validation']})" if "validation" in row else ""
                lines.append(f"{row['measure']}{unit}: {row['test']}{chosen_on}")
    return lines


def beside_published(
    published: Mapping[str, Any], test: Mapping[str, Any], history: Sequence[Mapping[str, Any]]
) -> str:
    """What a paper says, and what this run found, in one line.

    Args:
        published: `source`, and `accuracy` and `minutes_an_epoch` or None, as in a configuration.
        test: What `shared.evaluation.measures.evaluate` says of the run's test.
        history: Rows of the training; those of epochs carry `seconds`.
    """
    found = []
    if published["accuracy"] is not None:
        found.append(f"accuracy {published['accuracy']:.2f}, here {in_words(test['accuracy'])}")
    seconds = [row["seconds"] for row in history if "seconds" in row]
    if published["minutes_an_epoch"] is not None:
        here = f", here {sum(seconds) / len(seconds) / 60:.2g} once the features are computed" if seconds else ""
        found.append(f"{published['minutes_an_epoch']:g} minutes an epoch on its machine{here}")
    return f"published ({published['source']}): {'; '.join(found)}"
