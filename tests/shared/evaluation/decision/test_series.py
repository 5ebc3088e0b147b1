"""Slices to series, and series to what is independent of the rest."""

from __future__ import annotations

import numpy as np

from shared.evaluation.decision.aggregation import Aggregation
from shared.evaluation.decision.series import score_series, slices_of
from shared.samples import Grouping

BELONGING = Grouping(("s1", "s2", "s1", "s3"), ("p", "p", "p", "q"), (0, 0, 0, 0))


def test_slices_are_found_wherever_they_stand() -> None:
    assert [rows.tolist() for rows in slices_of(["b", "a", "b"])] == [[0, 2], [1]]


def test_a_series_is_positive_where_a_slice_is() -> None:
    judged = score_series(np.array([0.2, 0.3, 0.6, 0.9]), np.array([1, 0, 0, 0]) > 0, BELONGING, Aggregation(("max",)))
    np.testing.assert_allclose(judged.scores, [0.6, 0.3, 0.9])
    assert judged.truth.tolist() == [True, False, False]
    assert [one.slices for one in judged.lengths] == [2, 1, 1]
    assert judged.groups == ("p", "p", "q")


def test_a_unit_is_as_suspicious_as_the_positive_series_that_shows_least() -> None:
    truth = np.array([True, True, False, False])
    judged = score_series(np.array([0.6, 0.3, 0.2, 0.9]), truth, BELONGING, Aggregation(("max",)))
    scores, positive = judged.by_unit()
    np.testing.assert_allclose(scores, [0.3])
    assert positive.tolist() == [True]
    scores, positive, units = judged.by_group()
    np.testing.assert_allclose(scores, [0.6, 0.9])
    assert (positive.tolist(), units) == ([True, False], (0, 0))


def test_a_negative_unit_is_as_suspicious_as_its_most_suspicious_series() -> None:
    judged = score_series(np.array([0.1, 0.3, 0.2, 0.4]), np.zeros(4, dtype=bool), BELONGING, Aggregation(("max",)))
    np.testing.assert_allclose(judged.by_unit()[0], [0.4])
