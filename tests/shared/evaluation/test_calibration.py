"""Calibration measures against scikit-learn, by hand and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from shared.evaluation.calibration import expected_calibration_error, net_benefit, reliability_bins


def _calibrated(count: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    scores = random.random(count)
    return scores, random.random(count) < scores


def test_bins_are_those_of_scikit_learn() -> None:
    scores, truth = _calibrated(1000)
    observed, predicted = calibration_curve(truth, scores, n_bins=10, strategy="quantile")
    bins = reliability_bins(scores, truth)
    assert [one.predicted for one in bins] == pytest.approx(predicted, abs=2e-3)
    assert [one.observed for one in bins] == pytest.approx(observed, abs=0.02)


def test_every_sample_is_in_one_bin_and_ties_stay_together() -> None:
    scores = np.array([0.1] * 7 + [0.5] * 30 + [0.9] * 3)
    bins = reliability_bins(scores, scores > 0.4)
    assert [one.count for one in bins] == [7, 33]
    assert all(one.low <= one.observed <= one.high for one in bins)


def test_what_is_calibrated_has_a_small_error_and_what_exaggerates_a_large_one() -> None:
    scores, truth = _calibrated(20_000)
    assert expected_calibration_error(scores, truth) < 0.01
    assert expected_calibration_error(np.clip(scores * 2 - 0.5, 0, 1), truth) > 0.1


def test_net_benefit_by_hand() -> None:
    scores, truth = np.array([0.9, 0.6, 0.4, 0.1]), np.array([True, False, True, False])
    # at 0.5: one hit, one false alarm that weighs 1; at 0.2: two hits, one false alarm that weighs a quarter
    assert net_benefit(scores, truth, np.array([0.5, 0.2])) == pytest.approx([0.0, (2 - 0.25) / 4])
