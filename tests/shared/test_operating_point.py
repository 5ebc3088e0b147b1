"""The threshold for a sensitivity, and what validation certifies."""

from __future__ import annotations

import numpy as np
import pytest

from shared.errors import DataError
from shared.operating_point import choose


def _point(positives: list[float], negatives: list[float], target: float):
    truth = np.array([True] * len(positives) + [False] * len(negatives))
    return choose(np.array(positives + negatives), truth, target, "group")


def test_no_miss_in_24_certifies_088_and_says_so() -> None:
    point = _point(np.linspace(0.3, 0.9, 24).tolist(), [0.1, 0.95], 0.98)
    assert point.threshold == pytest.approx(0.3)
    assert (point.missed, point.positives) == (0, 24)
    assert point.certified == pytest.approx(0.05 ** (1 / 24))
    assert "0 misses in 24 positive patients" in point.statement
    assert "0.88" in point.statement
    assert point.statement.endswith("0.98 was asked for")


def test_the_highest_threshold_that_reaches_the_target_is_taken() -> None:
    scores = np.linspace(0.01, 1.0, 100).tolist()
    point = _point(scores, [], 0.98)
    assert point.missed == 2
    assert point.threshold == pytest.approx(0.03)
    assert np.mean(np.array(scores) >= point.threshold) == pytest.approx(0.98)


def test_equal_scores_are_not_divided() -> None:
    point = _point([0.2] * 5 + [0.8] * 95, [], 0.98)
    assert (point.threshold, point.missed) == (0.2, 0)


def test_what_is_likelier_a_finding_than_not_is_never_called_healthy() -> None:
    point = _point([0.3] * 2 + [0.9] * 98, [0.4, 0.6], 0.98)
    assert (point.threshold, point.missed) == (0.5, 2)
    assert _point(np.linspace(0.6, 0.9, 50).tolist(), [], 0.98).missed == 0


def test_a_lower_threshold_certifies_no_more_than_the_one_that_was_chosen() -> None:
    point = _point(np.linspace(0.6, 0.9, 100).tolist(), [], 0.98)
    assert (point.threshold, point.missed) == (0.5, 0)
    assert point.certified == pytest.approx(_point(np.linspace(0.1, 0.45, 100).tolist(), [], 0.98).certified)


def test_enough_data_certify_what_was_asked_for() -> None:
    point = _point(np.linspace(0.1, 0.9, 400).tolist(), [], 0.95)
    assert point.certified < 0.95
    assert "asked" in point.statement


def test_the_bound_holds_although_the_threshold_was_chosen_on_the_same_data() -> None:
    """In 95% of draws the true sensitivity, 1 - threshold for uniform scores, is not below the bound."""
    random = np.random.default_rng(0)
    truth = np.ones(60, dtype=bool)
    held = []
    for _ in range(4000):
        point = choose(random.random(60), truth, 0.9, "sample")
        held.append(1.0 - point.threshold >= point.certified)
    assert 0.94 < np.mean(held) < 0.96


def test_validation_without_a_positive_unit_is_refused() -> None:
    with pytest.raises(DataError, match="no positive sample"):
        _point([], [0.2, 0.4], 0.98)
