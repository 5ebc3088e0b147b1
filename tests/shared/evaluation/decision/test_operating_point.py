"""The threshold for a sensitivity, and what validation certifies."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta

from shared.errors import DataError
from shared.evaluation.decision.length import Length
from shared.evaluation.decision.operating_point import OperatingPoint, certify, choose
from shared.evaluation.decision.series import SeriesScores


def _judged(
    scores: np.ndarray, truth: np.ndarray, units: list[int] | None = None, length: int = 4, *, named: bool = True
) -> SeriesScores:
    count = len(scores)
    names = tuple(str(i) for i in range(count))
    numbers = tuple(range(count) if units is None else units)
    return SeriesScores(scores, truth, (Length(length),) * count, names, numbers, named)


def _point(positives: list[float], negatives: list[float], target: float, choices: int = 1) -> OperatingPoint:
    scores = np.array(positives + negatives)
    truth = np.array([True] * len(positives) + [False] * len(negatives))
    threshold, judged = choose(scores, truth, target), _judged(scores, truth)
    return certify(judged, threshold, target, chosen_here=True, choices=choices, group_name="patient")


def test_no_miss_in_24_certifies_088_and_says_so() -> None:
    point = _point(np.linspace(0.3, 0.9, 24).tolist(), [0.1, 0.95], 0.98)
    assert point.threshold == pytest.approx(0.3, rel=2e-4)
    assert (point.missed, point.positives, point.negatives) == (0, 24, 2)
    assert point.certified == pytest.approx(0.05 ** (1 / 24))
    assert "0 misses in 24 positive patients" in point.statement
    assert "0.88" in point.statement
    assert point.statement.endswith("0.98 was asked for; 1 of 2 negative ones are called positive there")


def test_the_highest_threshold_that_reaches_the_target_is_taken() -> None:
    scores = np.linspace(0.01, 1.0, 100).tolist()
    point = _point(scores, [], 0.98)
    assert point.missed == 2
    assert point.threshold == pytest.approx(0.03, rel=2e-4)
    assert np.mean(np.array(scores) >= point.threshold) == pytest.approx(0.98)


def test_what_nothing_can_find_uses_up_the_misses_that_the_target_allows() -> None:
    scores = [0.0] * 2 + np.linspace(0.03, 0.4, 98).tolist()
    point = _point(scores, [0.01], 0.98)
    assert (point.threshold, point.missed) == (pytest.approx(0.03, rel=2e-4), 2)


def test_more_of_it_than_the_target_allows_moves_the_threshold_to_no_image_without_a_finding() -> None:
    point = _point([0.0] * 5 + np.linspace(0.03, 0.4, 95).tolist(), [0.01], 0.98)
    assert (point.threshold, point.missed, point.false_alarms) == (pytest.approx(0.03, rel=2e-4), 5, 0)
    assert point.certified is not None
    assert point.certified < 0.95


def test_where_nothing_can_be_found_at_all_the_threshold_is_the_highest() -> None:
    assert _point([0.0] * 3, [0.2], 0.98).threshold == 0.5


def test_equal_scores_are_not_divided() -> None:
    point = _point([0.2] * 5 + [0.8] * 95, [], 0.98)
    assert (point.threshold, point.missed) == (pytest.approx(0.2, rel=2e-4), 0)


def test_what_is_likelier_a_finding_than_not_is_never_called_healthy() -> None:
    point = _point([0.3] * 2 + [0.9] * 98, [0.4, 0.6], 0.98)
    assert (point.threshold, point.missed) == (0.5, 2)
    assert _point(np.linspace(0.6, 0.9, 50).tolist(), [], 0.98).missed == 0


def test_a_lower_threshold_certifies_no_more_than_the_one_that_was_chosen() -> None:
    point = _point(np.linspace(0.6, 0.9, 100).tolist(), [], 0.98)
    assert (point.threshold, point.missed) == (0.5, 0)
    assert point.certified == pytest.approx(_point(np.linspace(0.1, 0.45, 100).tolist(), [], 0.98).certified)


def test_enough_data_certify_what_was_asked_for() -> None:
    point = _point(np.linspace(0.1, 0.9, 400).tolist(), [0.1], 0.95)
    assert point.certified < 0.95
    assert "asked" in point.statement


def test_the_least_target_still_leaves_a_threshold() -> None:
    assert _point([0.1, 0.2, 0.3], [], 1e-12).threshold == pytest.approx(0.3, rel=2e-4)


def test_a_unit_is_missed_where_any_of_its_positive_series_is() -> None:
    scores, truth = np.array([0.9, 0.2, 0.8, 0.7, 0.1]), np.array([True, True, True, False, False])
    point = certify(_judged(scores, truth, [0, 0, 1, 1, 2]), 0.5, 0.98, chosen_here=False)
    assert (point.unit, point.positives, point.missed, point.negatives) == ("groups", 2, 1, 1)


def test_copies_count_once() -> None:
    """Five copies of one picture certify what one picture certifies."""
    scores, truth = np.full(5, 0.9), np.ones(5, dtype=bool)
    point = certify(_judged(scores, truth, [0] * 5, length=1), 0.5, 0.98, chosen_here=False)
    assert (point.positives, point.certified) == (1, pytest.approx(0.05))


def test_without_negatives_false_alarms_are_unknown() -> None:
    assert "false alarms are unknown" in _point([0.9] * 30, [], 0.98).statement
    assert "0 of 1 negative ones are called positive" in _point([0.9] * 30, [0.1], 0.98).statement


def test_the_bound_holds_although_the_threshold_was_chosen_on_the_same_data() -> None:
    """In 95% of draws the true sensitivity, 1 - threshold for uniform scores, is not below the bound."""
    random = np.random.default_rng(0)
    truth = np.ones(60, dtype=bool)
    held = []
    for _ in range(4000):
        scores = random.random(60) / 2  # below the highest threshold
        threshold = choose(scores, truth, 0.9)
        held.append(1.0 - 2 * threshold >= certify(_judged(scores, truth), threshold, 0.9, chosen_here=True).certified)
    assert 0.94 < np.mean(held) < 0.96


def test_the_bound_holds_although_the_same_data_chose_the_model() -> None:
    """Of 20 models that all miss a tenth, validation takes the one that looks best there."""
    random = np.random.default_rng(0)
    truth = np.ones(40, dtype=bool)
    plain, corrected = [], []
    for _ in range(1500):
        models = [np.where(random.random(40) < 0.9, 0.9, 0.1) for _ in range(20)]
        best = max(models, key=lambda scores: float(scores.mean()))
        judged = _judged(best, truth)
        plain.append(certify(judged, 0.5, 0.98, chosen_here=False).certified <= 0.9)
        corrected.append(certify(judged, 0.5, 0.98, chosen_here=False, choices=20).certified <= 0.9)
    assert np.mean(plain) < 0.8
    assert np.mean(corrected) > 0.95
    assert "a choice among 20 models" in certify(judged, 0.5, 0.98, chosen_here=False, choices=20).statement


@pytest.mark.parametrize(("length", "unit"), [(1, "images, patients unknown"), (4, "series, patients unknown")])
def test_where_no_patients_are_named_nothing_is_certified_and_copies_make_none(length: int, unit: str) -> None:
    judged = _judged(np.full(6, 0.9), np.ones(6, dtype=bool), [0, 0, 0, 1, 2, 3], length, named=False)
    point = certify(judged, 0.5, 0.98, chosen_here=False, group_name="patient")
    assert (point.unit, point.positives, point.certified) == (unit, 4, None)
    assert "certify nothing (patients unknown)" in point.statement
    assert "95%" not in point.statement
    assert point.among(1000) == point


def test_a_certificate_is_restated_for_more_choices_from_its_counts_alone() -> None:
    scores = np.linspace(0.01, 1.0, 100).tolist()
    point = _point(scores, [0.1], 0.98, choices=5)
    assert (point.missed, point.counted) == (2, 2)
    assert point.among(60) == _point(scores, [0.1], 0.98, choices=60)
    assert point.among(60).certified < point.certified
    assert "a choice among 60 models" in point.among(60).statement
    assert point.among(4) == point


def test_a_restated_certificate_counts_the_misses_that_the_target_allows() -> None:
    """The threshold of one half misses nobody, but was chosen on the same units: two misses were allowed."""
    point = _point(np.linspace(0.6, 0.9, 100).tolist(), [], 0.98)
    assert (point.missed, point.counted) == (0, 2)
    assert point.among(20).certified == pytest.approx(beta.ppf(0.05 / 20, 98, 3))


def test_validation_without_a_positive_unit_is_refused() -> None:
    with pytest.raises(DataError, match="no positive sample"):
        _point([], [0.2, 0.4], 0.98)
