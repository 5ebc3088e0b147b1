"""A positive image that is left out is missed, whatever the network says of it, and makes nothing else look better."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from shared.evaluation.cases import Rule, group_cases, image_cases
from shared.evaluation.unjudged import silenced
from shared.samples import Grouping

RULE = Rule(("glioma", "pituitary", "none"), (True, True, False), 0.3)
PROBABILITIES = np.array([[0.6, 0.3, 0.1], [0.5, 0.4, 0.1], [0.1, 0.1, 0.8], [0.7, 0.1, 0.2]])
LABELS = np.array([0, 1, 2, 0])
GROUPING = Grouping(("a", "a", "b", "c"), ("a", "a", "b", "c"), (0, 0, 1, 2), True, unjudged=(True, False, False, True))


def test_without_images_that_are_left_out_nothing_changes() -> None:
    assert silenced(PROBABILITIES, LABELS, RULE.positive, replace(GROUPING, unjudged=())) is PROBABILITIES


def test_an_image_that_is_left_out_is_missed_by_threshold_and_by_class() -> None:
    answers = silenced(PROBABILITIES, LABELS, RULE.positive, GROUPING)
    assert answers[0].tolist() == answers[3].tolist() == [0.0, 0.0, 1.0]
    np.testing.assert_array_equal(answers[1:3], PROBABILITIES[1:3])
    assert PROBABILITIES[0, 0] == 0.6
    cases = image_cases(answers, LABELS, RULE, GROUPING.units)
    assert cases.called.tolist() == [False, True, False, False]
    assert cases.predicted.tolist() == [2, 0, 2, 2]


def test_where_every_class_is_positive_the_answer_is_a_wrong_one() -> None:
    answers = silenced(PROBABILITIES, LABELS, (True, True, True), GROUPING)
    assert answers[0].tolist() == [0.0, 0.5, 0.5]


def test_a_patient_is_judged_by_the_other_images_and_stays_positive() -> None:
    answers = silenced(PROBABILITIES, LABELS, RULE.positive, GROUPING)
    cases = group_cases(answers, LABELS, RULE, GROUPING)
    assert cases.truth.tolist() == [True, False, True]
    assert cases.called.tolist() == [True, False, False]
    assert cases.scores[0] > 0.89
    assert cases.scores[2] == 0.0
    assert cases.images is not None
    assert cases.images.positive.tolist() == [2, 0, 1]
    assert cases.images.found.tolist() == [1, 0, 0]
