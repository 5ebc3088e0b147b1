"""The registry of measures: what every table may rely on."""

from __future__ import annotations

import numpy as np
import pytest

from shared.errors import UnknownNameError
from shared.evaluation.cases import Rule, UsageContext, image_cases
from shared.evaluation.measure import MEASURES, Block, Table, Tasks, measures_in
from shared.evaluation.text import column_heading, measure_rows, summary_lines


def _cases(*positive: bool):
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 60)
    rows = random.random((60, 3)) + 0.3 * np.eye(3)[labels]
    probabilities = rows / rows.sum(axis=1, keepdims=True)
    rule = Rule(("a", "b", "c"), positive, 0.6 if any(positive) else 0.4)
    return image_cases(probabilities, labels, rule, range(60), UsageContext(prevalence=0.1))


CASES = {Tasks.SCREENING: _cases(False, True, True), Tasks.CLASSES: _cases(False, False, False)}


@pytest.mark.parametrize("table", list(Table))
def test_no_two_measures_have_the_same_place_in_a_table(table: Table) -> None:
    places = [measure.tables[table] for measure in measures_in(table)]
    assert places == sorted(set(places))


@pytest.mark.parametrize("key", list(MEASURES))
def test_a_measure_gives_a_value_between_the_bounds_of_its_interval(key: str) -> None:
    measure = MEASURES.get(key)
    assert measure.key == key
    for task, cases in CASES.items():
        assert measure.defined_for(cases) is (measure.tasks in (Tasks.ALL, task))
        if measure.defined_for(cases):
            found = measure.compute(cases)
            if isinstance(found, dict):
                assert found["low"] <= found["value"] <= found["high"]
            else:
                assert set(measure.tables) <= {Table.REPORT, Table.SUMMARY}


@pytest.mark.parametrize("key", list(MEASURES))
def test_a_measure_is_computed_where_tables_look_for_it(key: str) -> None:
    measure = MEASURES.get(key)
    reported = set(measure.tables) - {Table.CROSS_VALIDATION}
    # the report alone has a table by group, whose measures may be of groups alone
    assert Block.IMAGES in measure.blocks or reported <= ({Table.REPORT} if Block.GROUPS in measure.blocks else set())
    assert Block.DOMAINS in measure.blocks or Table.DOMAINS not in reported
    assert Table.REPORT in reported or Table.SUMMARY not in reported


def test_rows_and_lines_keep_the_order_of_the_report() -> None:
    result = {"accuracy": 0.5, "sensitivity": 0.9, "auc": 0.8, "ppv": 0.7}
    rows = measure_rows({"test": result})
    assert [row["key"] for row in rows] == ["auc", "sensitivity", "ppv", "accuracy"]
    assert summary_lines(rows, []) == ["AUC: 0.800", "sensitivity: 0.900", "accuracy, likeliest class: 0.500"]


def test_an_unknown_measure_is_answered_with_the_nearest_names() -> None:
    assert column_heading("selective_error") == "error among accepted"
    with pytest.raises(UnknownNameError, match="unknown measure 'acuracy'; did you mean accuracy"):
        column_heading("acuracy")
