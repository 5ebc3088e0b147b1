from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from shared.features.transferability import evidence, h_score, log_me


def _features(count: int, width: int, shift: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    features = random.normal(size=(count, width))
    features[np.arange(count), labels] += shift
    return features, labels


@pytest.mark.parametrize(("count", "width"), [(40, 8), (20, 50)])
def test_the_evidence_is_that_of_the_gaussian_it_stands_for_and_the_largest(count: int, width: int) -> None:
    features, labels = _features(count, width, 2.0)
    target = (labels == 0).astype(np.float64)
    left, values, _ = np.linalg.svd(features, full_matrices=False)
    value, alpha, beta = evidence(left, values**2, width, target)

    def direct(alpha: float, beta: float) -> float:
        covariance = features @ features.T / alpha + np.eye(count) / beta
        return float(multivariate_normal(np.zeros(count), covariance).logpdf(target))

    assert value == pytest.approx(direct(alpha, beta), rel=1e-9)
    for factor in (0.8, 1.25):
        assert direct(alpha * factor, beta) < value + 1e-3
        assert direct(alpha, beta * factor) < value


def test_log_me_is_the_mean_over_classes_and_higher_for_separable_classes() -> None:
    features, labels = _features(60, 10, 3.0)
    left, values, _ = np.linalg.svd(features, full_matrices=False)
    each = [evidence(left, values**2, 10, (labels == k).astype(np.float64))[0] for k in range(3)]
    assert log_me(features, labels) == pytest.approx(np.mean(each) / 60)
    noise, _ = _features(60, 10, 0.0)
    assert log_me(features, labels) > log_me(noise, labels) + 0.1


def test_the_h_score_of_one_value_is_the_correlation_ratio() -> None:
    values = np.array([[0.0], [2.0], [4.0], [10.0], [12.0], [14.0]])
    labels = np.array([0, 0, 0, 1, 1, 1])
    between, whole = 25.0, 25.0 + 8.0 / 3.0  # means 2 and 12 about 7; variance 8/3 within each
    assert h_score(values, labels) == pytest.approx(between / whole)
    assert h_score(3.0 * values - 5.0, labels) == pytest.approx(between / whole)


def test_the_h_score_of_noise_stays_small_with_more_values_than_samples() -> None:
    noise, labels = _features(30, 200, 0.0)
    separable, _ = _features(30, 200, 12.0)
    assert 0 <= h_score(noise, labels) < 0.7 < 1.0 < h_score(separable, labels) <= 2.0
    assert h_score(np.ones((30, 4)), labels) == 0.0


@pytest.mark.parametrize("score", [log_me, h_score])
def test_one_class_has_no_score(score: object) -> None:
    with pytest.raises(ValueError, match="needs two"):
        score(np.eye(4), np.zeros(4, dtype=np.int64))  # type: ignore[operator]
