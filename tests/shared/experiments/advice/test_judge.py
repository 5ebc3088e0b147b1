from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from shared.experiments.advice.judge import Judge


def _judge(count: int, positive: tuple[bool, ...]) -> Judge:
    labels = np.random.default_rng(0).integers(0, len(positive), count)
    return Judge(labels, np.array(positive), np.arange(count))


def _scores(judge: Judge, noise: float, seed: int = 1) -> np.ndarray:
    classes = len(judge.positive)
    return np.eye(classes)[judge.labels] + np.random.default_rng(seed).normal(0, noise, (len(judge.labels), classes))


def test_a_positive_event_is_judged_by_its_auc_and_anything_else_by_accuracy() -> None:
    judge = _judge(120, (False, True, True))
    scores = _scores(judge, 1.0)
    assert judge.measure == "auc"
    assert judge.value(scores) == pytest.approx(roc_auc_score(judge.labels > 0, scores[:, 1:].sum(1)))
    for positive in ((False, False, False), (True, True, True)):
        other = _judge(120, positive)
        assert other.measure == "accuracy"
        assert other.value(scores) == pytest.approx((scores.argmax(1) == judge.labels).mean())


@pytest.mark.parametrize("positive", [(False, True), (False, False)])
def test_intervals_hold_the_value_and_a_gain_has_an_error(positive: tuple[bool, ...]) -> None:
    judge = _judge(150, positive)
    good, bad = _scores(judge, 0.3), _scores(judge, 3.0)
    found = judge.interval(bad)
    assert found["low"] < found["value"] < found["high"]
    gain, error = judge.gain(good, bad)
    assert gain == pytest.approx(judge.value(good) - judge.value(bad))
    assert gain > 3 * error > 0
    few = judge.of(np.arange(4))
    assert few.interval(bad[:4])["value"] == few.value(bad[:4])
    assert few.gain(good[:4], bad[:4])[1] == np.inf
