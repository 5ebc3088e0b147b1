"""What a run would not assess is counted, and how many positives are among it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shared.evaluation.abstention import abstention, abstention_text
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
    return replace(model_record, classes=("no", "yes"), positive=(False, True), ood={"threshold": 0.5})


def test_series_are_counted_and_positives_among_them(record: ModelRecord) -> None:
    ood = np.array([0.1, 0.2, 0.9, 0.1, 0.6, 0.7])
    tree = abstention(PROBABILITIES, ood, LABELS, SAMPLES, BELONGING, record)
    # the second series has one strange slice of two: the median, 0.5, is not above the threshold
    assert (tree["inputs"], tree["not_assessed"], tree["not_assessed_positive"]) == (3, 1, 1)
    assert tree["coverage"] == pytest.approx(2 / 3)
    assert tree["assessed"]["sensitivity"]["value"] == 1.0
    assert tree["assessed"]["sensitivity"]["n"] == 1
    said = abstention_text(tree, "tumour")
    assert said.startswith(
        "1 of 3 inputs are unlike the training images and would not be assessed, 1 of them with a tu"
    )


def test_images_without_a_series_are_inputs_of_their_own(record: ModelRecord) -> None:
    alone = [replace(sample, series=None) for sample in SAMPLES]
    ood = np.array([0.1, 0.2, 0.9, 0.1, 0.6, 0.7])
    tree = abstention(PROBABILITIES, ood, LABELS, alone, BELONGING, record)
    assert (tree["inputs"], tree["not_assessed"], tree["not_assessed_positive"]) == (6, 3, 3)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_where_all_or_none_is_assessed_there_is_no_rest(record: ModelRecord, value: float) -> None:
    tree = abstention(PROBABILITIES, np.full(6, value), LABELS, SAMPLES, BELONGING, record)
    assert tree["assessed"] == {}
    assert tree["not_assessed"] == 3 * value


def test_without_a_positive_class_none_is_counted(record: ModelRecord) -> None:
    plain = replace(record, positive=(False, False))
    tree = abstention(PROBABILITIES, np.full(6, 0.6), LABELS, SAMPLES, BELONGING, plain)
    assert tree["not_assessed_positive"] is None
    assert "with a" not in abstention_text(tree, None)


def test_a_threshold_that_nothing_exceeds_is_told_as_none(record: ModelRecord) -> None:
    blind = replace(record, ood={"threshold": MAX_SCORE})
    tree = abstention(PROBABILITIES, np.full(6, 0.6), LABELS, SAMPLES, BELONGING, blind)
    assert abstention_text(tree, "tumour").startswith("validation is too small")
