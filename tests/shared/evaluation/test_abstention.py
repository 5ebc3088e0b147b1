"""What a run would not assess is counted by class, and a warning says where that falls on the positive class."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from shared.evaluation.abstention import (
    JudgedInputs,
    abstention,
    abstention_rows,
    abstention_text,
    abstention_warning,
    count_abstention,
)
from shared.evaluation.decision.ood import MAX_SCORE
from shared.runs.record import ModelRecord
from shared.samples import Grouping, Sample

# three series of two slices each: healthy, tumour, tumour; the last is strange
SAMPLES = [Sample(id=f"i{i}", source="", series=f"s{i // 2}", group=f"g{i // 2}") for i in range(6)]
LABELS = np.array([0, 0, 1, 0, 1, 1])
BELONGING = Grouping.of(SAMPLES, [0, 0, 1, 1, 2, 2])
PROBABILITIES = np.array([[0.9, 0.1], [0.8, 0.2], [0.2, 0.8], [0.9, 0.1], [0.9, 0.1], [0.7, 0.3]])


@pytest.fixture
def record(model_record: ModelRecord) -> ModelRecord:
    return replace(model_record, classes=("no", "yes"), positive=(False, True), ood={"threshold": 0.5, "rate": 0.01})


def test_series_are_counted_and_positives_among_them(record: ModelRecord) -> None:
    ood = np.array([0.1, 0.2, 0.9, 0.1, 0.6, 0.7])
    tree = abstention(PROBABILITIES, ood, LABELS, SAMPLES, BELONGING, record)
    # the second series has one strange slice of two: the median, 0.5, is not above the threshold
    assert (tree["inputs"], tree["not_assessed"]) == (3, 1)
    found = tree["classes"]
    assert {name: (one["successes"], one["n"]) for name, one in found.items()} == {"no": (0, 1), "yes": (1, 2)}
    assert (tree["by_event"]["positive"], tree["by_event"]["negative"]) == (found["yes"], found["no"])
    assert tree["coverage"] == pytest.approx(2 / 3)
    assert tree["assessed"]["sensitivity"]["value"] == 1.0
    assert tree["assessed"]["sensitivity"]["n"] == 1
    said = abstention_text(tree, "tumour")
    assert said.startswith(
        "1 of 3 inputs are unlike the training images and would not be assessed: 1 of 2 with a tumour (0.500 [0.095, "
    )


def test_images_without_a_series_are_inputs_of_their_own(record: ModelRecord) -> None:
    alone = [replace(sample, series=None) for sample in SAMPLES]
    ood = np.array([0.1, 0.2, 0.9, 0.1, 0.6, 0.7])
    tree = abstention(PROBABILITIES, ood, LABELS, alone, BELONGING, record)
    assert (tree["inputs"], tree["not_assessed"], tree["by_event"]["positive"]["successes"]) == (6, 3, 3)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_where_all_or_none_is_assessed_there_is_no_rest(record: ModelRecord, value: float) -> None:
    tree = abstention(PROBABILITIES, np.full(6, value), LABELS, SAMPLES, BELONGING, record)
    assert tree["assessed"] == {}
    assert tree["not_assessed"] == 3 * value


def test_without_a_positive_class_none_is_counted(record: ModelRecord) -> None:
    plain = replace(record, positive=(False, False))
    tree = abstention(PROBABILITIES, np.full(6, 0.6), LABELS, SAMPLES, BELONGING, plain)
    assert tree["by_event"] is None
    assert "with a" not in abstention_text(tree, None)
    assert abstention_warning(tree, None) is None
    assert tree["classes"]["no"]["value"] == 1.0


def test_a_threshold_that_nothing_exceeds_is_told_as_none(record: ModelRecord) -> None:
    blind = replace(record, ood={"threshold": MAX_SCORE, "rate": 0.01})
    tree = abstention(PROBABILITIES, np.full(6, 0.6), LABELS, SAMPLES, BELONGING, blind)
    assert abstention_text(tree, "tumour").startswith("validation is too small")


def _counted(record: ModelRecord, lost: int, tumours: int, strange: int, healthy: int) -> dict[str, Any]:
    """`lost` of the tumours and `strange` of the healthy are not assessed; each is a unit of its own."""
    unlike = np.repeat([True, False, True, False], [lost, tumours - lost, strange, healthy - strange])
    labels = np.repeat([1, 0], [tumours, healthy])
    return count_abstention(JudgedInputs(unlike, labels, list(range(len(labels)))), record)


def test_a_warning_is_given_where_tumours_alone_are_lost(record: ModelRecord) -> None:
    tree = _counted(record, lost=12, tumours=160, strange=0, healthy=80)
    assert abstention_warning(tree, "tumour") == (
        "WARNING: inputs with a tumour go without an assessment more often than others, by 0.019 to 0.127: 12 of 160 "
        "with a tumour (0.075 [0.043, 0.127]), 0 of 80 without (0.000 [0.000, 0.046]) are not assessed. A human must "
        "look at each of them"
    )


def test_a_warning_is_given_where_more_tumours_are_lost_than_was_allowed(record: ModelRecord) -> None:
    said = abstention_warning(_counted(record, lost=2, tumours=16, strange=0, healthy=8), "tumour")
    assert said is not None
    assert "more often than the 1.0% that the threshold was to leave out, at least 0.023 of them: 2 of 16 with" in said
    both = abstention_warning(_counted(record, lost=50, tumours=100, strange=25, healthy=50), "tumour")
    assert both is not None
    assert "more often than the 1.0%" in both


@pytest.mark.parametrize(("lost", "tumours", "strange", "healthy"), [(1, 16, 0, 8), (0, 160, 12, 80), (2, 160, 1, 80)])
def test_no_warning_is_given_of_what_may_be_chance(
    record: ModelRecord, lost: int, tumours: int, strange: int, healthy: int
) -> None:
    assert abstention_warning(_counted(record, lost, tumours, strange, healthy), "tumour") is None


def test_inputs_of_one_patient_do_not_count_as_many(record: ModelRecord) -> None:
    # all that is lost is of one patient of eight
    unlike, labels = np.repeat([True, False], [20, 140]), np.repeat([1, 0, 1], [20, 80, 60])
    units = np.repeat(np.arange(8), 20)
    alone = count_abstention(JudgedInputs(unlike, labels, list(range(160))), record)
    assert abstention_warning(alone, "tumour") is not None
    assert abstention_warning(count_abstention(JudgedInputs(unlike, labels, units.tolist()), record), "tumour") is None


def test_data_of_one_kind_are_compared_with_nothing(record: ModelRecord) -> None:
    tree = _counted(record, lost=5, tumours=20, strange=0, healthy=0)
    assert tree["by_event"]["difference"]["value"] is None
    assert list(tree["classes"]) == ["yes"]
    assert "no input without was there" in str(abstention_warning(tree, "tumour"))


def test_pooled_inputs_of_the_same_patients_count_once(record: ModelRecord) -> None:
    fold = JudgedInputs(np.array([True, False, False, False]), np.array([1, 1, 0, 0]), [0, 1, 2, 3])
    once, twice = (count_abstention(JudgedInputs.pooled([fold] * times), record) for times in (1, 2))
    assert (once["inputs"], twice["inputs"]) == (4, 8)
    for name in ("low", "high"):
        assert twice["classes"]["no"][name] == once["classes"]["no"][name]


def test_of_many_classes_the_table_has_those_that_are_not_assessed(model_record: ModelRecord) -> None:
    names = tuple(f"c{number}" for number in range(20))
    many = replace(model_record, classes=names, positive=(False,) * 20, ood={"threshold": 0.5, "rate": 0.01})
    labels = np.repeat(np.arange(20), 4)
    unlike = (labels == 7) | ((labels == 3) & (np.arange(80) % 4 == 0))
    rows = abstention_rows(count_abstention(JudgedInputs(unlike, labels, list(range(80))), many), str.upper)
    assert [(row["class"], row["inputs"], row["not_assessed"]) for row in rows] == [("C7", "4", "4"), ("C3", "4", "1")]
    assert rows[1]["share"].startswith("0.250 [")
