"""Measures as people read them, in terminals, reports and model cards alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.evaluation.measure import MEASURES, Table, measures_in
from shared.task import Task

MANY_CLASSES = 12
"""With more classes no table has a column for each."""


def disclaimers(task: Task, synthetic: bool) -> list[str]:
    """Lists the sentences that must stand before every result of a model; empty where there are none.

    Args:
        task: The application, which has disclaimers of its own.
        synthetic: Whether the model was trained on synthetic images.
    """
    return [
        *task.disclaimers,
        *(["Synthetic data: the model was trained on images made by a program."] if synthetic else []),
    ]


def measure_rows(results: Mapping[str, Mapping[str, Any]]) -> list[dict[str, str]]:
    """Makes the rows of a table of measures, one for each measure that any of the results has.

    Args:
        results: Results of `shared.evaluation.evaluate.evaluate`, or blocks of them, keyed by name ("validation",
            "test").

    Returns:
        Rows with `key`, `measure` (its title) and, under the name of each result, its value as `measure_text` writes
        it, or "" where the result does not have the measure.
    """
    rows = []
    for measure in measures_in(Table.REPORT):
        if any(measure.key in result for result in results.values()):
            values = {name: measure_text(result.get(measure.key, "")) for name, result in results.items()}
            rows.append({"key": measure.key, "measure": measure.title, **values})
    return rows


def column_heading(key: str) -> str:
    """Returns the short name of the measure with this key, for the heading of a column: "AUC" for `auc`.

    Raises:
        UnknownNameError: There is no such measure.
    """
    return MEASURES.get(key).heading


def measure_text(measure: Any) -> str:
    """Writes the value of a measure with its interval: `0.953 [0.910, 0.980]`.

    Args:
        measure: A dictionary with `value` and, where there is an interval, `low` and `high`; or a number or text.

    Returns:
        One line. Floats have three decimals; a value of None becomes `not defined` with its reason; other plain values
        stay as they are.
    """
    if not isinstance(measure, Mapping):
        return f"{measure:.3f}" if isinstance(measure, float) else str(measure)
    if measure.get("value") is None:
        return f"not defined ({measure.get('reason', 'no data')})"
    value = f"{measure['value']:.3f}"
    if measure.get("low") is not None:
        value += f" [{measure['low']:.3f}, {measure['high']:.3f}]"
    return value


def summary_lines(rows: Sequence[Mapping[str, str]], by_group: Sequence[Mapping[str, str]]) -> list[str]:
    """Lists the main measures of the test as lines of text, followed by those of validation in brackets where known.

    Args:
        rows: Result of `measure_rows`, by image, with a result named "test" and perhaps one named "validation".
        by_group: Result of `measure_rows`, by group; empty where there are none.

    Returns:
        One line for each measure of the table `SUMMARY`, by image first, then by group.
    """
    lines = []
    for unit, table in (("", rows), (", by group", by_group)):
        for row in table:
            if Table.SUMMARY in MEASURES.get(row["key"]).tables:
                chosen_on = f" (validation {row['validation']})" if "validation" in row else ""
                lines.append(f"{row['measure']}{unit}: {row['test']}{chosen_on}")
    return lines


def published_line(published: Mapping[str, Any], test: Mapping[str, Any], history: Sequence[Mapping[str, Any]]) -> str:
    """Compares a published result with that of a run, in one line of text.

    Args:
        published: `source`, and `accuracy` and `minutes_an_epoch` or None, as in a configuration.
        test: Measures of the run's test, as `shared.evaluation.evaluate.evaluate` gives them.
        history: Rows of the training; those of epochs carry `seconds`.

    Returns:
        The source, the published accuracy beside the run's, and the published minutes an epoch beside the run's where
        known. What was not published is left out.
    """
    found = []
    if published["accuracy"] is not None:
        found.append(f"accuracy {published['accuracy']:.2f}, here {measure_text(test['accuracy'])}")
    seconds = [row["seconds"] for row in history if "seconds" in row]
    if published["minutes_an_epoch"] is not None:
        here = f", here {sum(seconds) / len(seconds) / 60:.2g} once the features are computed" if seconds else ""
        found.append(f"{published['minutes_an_epoch']:g} minutes an epoch on its machine{here}")
    return f"published ({published['source']}): {'; '.join(found)}"
