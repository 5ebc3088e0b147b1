from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.metrics import roc_auc_score

from shared.experiments.advice.scorer import Scorer


def _scorer(count: int, positive: tuple[bool, ...]) -> Scorer:
    labels = np.random.default_rng(0).integers(0, len(positive), count)
    return Scorer(labels, np.array(positive), np.arange(count))


def _scores(scorer: Scorer, noise: float, seed: int = 1) -> np.ndarray:
    classes = len(scorer.positive)
    return np.eye(classes)[scorer.labels] + np.random.default_rng(seed).normal(0, noise, (len(scorer.labels), classes))


def test_a_positive_event_is_measured_by_its_auc_and_anything_else_by_accuracy() -> None:
    scorer = _scorer(120, (False, True, True))
    scores = _scores(scorer, 1.0)
    assert scorer.measure == "auc"
    assert scorer.value(scores) == pytest.approx(roc_auc_score(scorer.labels > 0, scores[:, 1:].sum(1)))
    for positive in ((False, False, False), (True, True, True)):
        other = _scorer(120, positive)
        assert other.measure == "accuracy"
        assert other.value(scores) == pytest.approx((scores.argmax(1) == scorer.labels).mean())


@pytest.mark.parametrize("positive", [(False, True), (False, False)])
def test_intervals_hold_the_value_and_a_gain_has_an_error(positive: tuple[bool, ...]) -> None:
    scorer = _scorer(150, positive)
    good, bad = _scores(scorer, 0.3), _scores(scorer, 3.0)
    found = scorer.interval(bad)
    assert found["low"] < found["value"] < found["high"]
    gain, error = scorer.gain(good, bad)
    assert gain == pytest.approx(scorer.value(good) - scorer.value(bad))
    assert gain > 3 * error > 0
    few = scorer.select(np.arange(4))
    assert few.interval(bad[:4])["value"] == few.value(bad[:4])
    assert few.gain(good[:4], bad[:4])[1] == np.inf


def test_log_likelihood_asks_how_far_scores_are_from_right_and_not_for_their_scale() -> None:
    scorer = _scorer(150, (False, True, False))
    good, bad = _scores(scorer, 0.2), _scores(scorer, 0.4)
    assert scorer.value(good) == pytest.approx(1.0)
    assert np.log(1 / 3) < scorer.log_likelihood(bad) < scorer.log_likelihood(good) < 0
    assert scorer.log_likelihood(3 * bad + 1) == pytest.approx(scorer.log_likelihood(bad), abs=1e-4)
    temperatures = np.geomspace(0.05, 1, 200)
    by_hand = [log_softmax(bad / one, axis=1)[np.arange(150), scorer.labels].mean() for one in temperatures]
    assert scorer.log_likelihood(bad) == pytest.approx(max(by_hand), abs=1e-3)
