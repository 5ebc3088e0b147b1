from __future__ import annotations

import numpy as np
import pytest

from shared.aggregation import aggregate

TUMOURS = np.array([True, True, False])


def test_the_three_most_suspicious_slices_speak_for_the_series() -> None:
    rows = np.array([[0.1, 0.0, 0.9], [0.6, 0.2, 0.2], [0.0, 0.5, 0.5], [0.3, 0.3, 0.4], [0.0, 0.1, 0.9]])
    assert aggregate(rows, TUMOURS) == pytest.approx([0.3, 1 / 3, 1.1 / 3])


def test_the_answer_is_a_distribution_and_does_not_depend_on_the_order() -> None:
    rows = np.random.default_rng(0).dirichlet(np.ones(3), size=20)
    whole = aggregate(rows, TUMOURS)
    assert whole.sum() == pytest.approx(1.0)
    assert aggregate(rows[::-1], TUMOURS) == pytest.approx(whole)


def test_a_short_series_speaks_with_all_it_has() -> None:
    rows = np.array([[0.2, 0.2, 0.6], [0.4, 0.0, 0.6]])
    assert aggregate(rows, TUMOURS) == pytest.approx([0.3, 0.1, 0.6])
    assert aggregate(rows[:1], TUMOURS) == pytest.approx(rows[0])


def test_one_slice_may_be_asked_to_speak_alone() -> None:
    rows = np.array([[0.2, 0.2, 0.6], [0.5, 0.0, 0.5]])
    assert aggregate(rows, TUMOURS, top=1) == pytest.approx(rows[1])


def test_without_a_positive_class_all_slices_count() -> None:
    rows = np.random.default_rng(0).dirichlet(np.ones(3), size=20)
    assert aggregate(rows, np.zeros(3, dtype=bool)) == pytest.approx(rows.mean(axis=0))


def test_a_series_without_slices_is_refused() -> None:
    with pytest.raises(ValueError, match="without slices"):
        aggregate(np.zeros((0, 3)), TUMOURS)
