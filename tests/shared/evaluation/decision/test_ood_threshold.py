"""The threshold of the out-of-distribution score: the rate that it keeps, as a whole and in every class."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from shared.evaluation.decision.ood import MAX_SCORE
from shared.evaluation.decision.ood_threshold import (
    MIN_POSITIVE,
    MIN_UNITS,
    choose_rule,
    choose_threshold,
    confident_threshold,
    one_of_each,
    rule_text,
)

RATE = 0.01


def _lognormal(random: np.random.Generator, count: int, centre: float, spread: float) -> np.ndarray:
    return np.exp(random.normal(centre, spread, count))


def _two_kinds(random: np.random.Generator, tumours: int, healthy: int) -> dict[str, np.ndarray]:
    """Tumours vary more and lie farther from the training images than healthy heads."""
    return {"no": _lognormal(random, healthy, -3.0, 0.3), "yes": _lognormal(random, tumours, -2.4, 0.4)}


def _rule(kinds: dict[str, np.ndarray]) -> dict[str, Any]:
    return choose_rule(np.concatenate(list(kinds.values())), kinds, kinds["yes"], RATE)


def test_a_hundredth_of_the_inputs_does_not_take_a_tenth_of_the_tumours() -> None:
    random = np.random.default_rng(0)
    lost = {"pooled": 0.0, "threshold": 0.0}
    for _ in range(100):
        rule = _rule(_two_kinds(random, tumours=100, healthy=900))
        new = _two_kinds(random, tumours=500, healthy=500)
        for name in lost:
            lost[name] += float(np.mean(new["yes"] > rule[name])) / 100
        assert np.mean(new["no"] > rule["threshold"]) <= RATE
    assert lost["pooled"] > 0.08
    assert lost["threshold"] < 1.3 * RATE


def test_enough_tumours_keep_the_rate_in_nearly_every_draw() -> None:
    random, lost = np.random.default_rng(1), {"pooled": 0, "threshold": 0}
    for _ in range(200):
        rule = _rule(_two_kinds(random, tumours=400, healthy=100))
        for name in lost:
            lost[name] += norm.sf((np.log(rule[name]) + 2.4) / 0.4) > RATE  # exact: tumours are lognormal here
    assert lost["threshold"] <= 0.08 * 200  # two standard deviations over 5%
    assert lost["pooled"] > 0.3 * 200


@pytest.mark.parametrize(("tumours", "healthy"), [(16, 40), (20, 130)])
def test_few_tumours_keep_the_rate_on_average(tumours: int, healthy: int) -> None:
    random, lost = np.random.default_rng(1), {"pooled": 0.0, "threshold": 0.0}
    for _ in range(200):
        rule = _rule(_two_kinds(random, tumours, healthy))
        for name in lost:
            lost[name] += float(norm.sf((np.log(rule[name]) + 2.4) / 0.4)) / 200
    assert lost["threshold"] <= 1.3 * RATE
    assert lost["pooled"] > 3 * RATE


def test_a_class_that_is_not_positive_keeps_the_rate_on_average() -> None:
    random, lost = np.random.default_rng(1), []
    for _ in range(200):
        kinds = _two_kinds(random, tumours=40, healthy=260)
        rule = choose_rule(np.concatenate(list(kinds.values())), kinds, None, RATE)
        assert rule["positive"] is None
        lost.append(np.mean(_lognormal(random, 500, -2.4, 0.4) > rule["threshold"]))
    assert np.mean(lost) == pytest.approx(RATE, rel=0.5)


@pytest.mark.parametrize(("count", "above"), [(299, 0), (473, 1), (575, 1)])
def test_the_confident_threshold_leaves_as_many_scores_above_as_wilks_allows(count: int, above: int) -> None:
    scores = np.random.default_rng(6).uniform(0.1, 0.2, count)
    threshold = confident_threshold(scores, RATE)
    assert threshold in scores
    assert (scores > threshold).sum() == above
    assert confident_threshold(scores[:298], RATE) is None


def test_the_largest_threshold_counts_and_that_of_all_inputs_is_kept() -> None:
    random = np.random.default_rng(2)
    kinds = _two_kinds(random, tumours=300, healthy=200)
    everything = np.concatenate([*kinds.values(), _lognormal(random, 400, -1.0, 0.1)])  # such as those of a target
    rule = choose_rule(everything, kinds, kinds["yes"], RATE)
    assert rule["threshold"] == rule["pooled"] == choose_threshold(everything, RATE)
    alone = choose_rule(np.concatenate(list(kinds.values())), kinds, None, RATE)
    assert alone["threshold"] == alone["classes"]["yes"]["threshold"] == choose_threshold(kinds["yes"], RATE)
    assert alone["threshold"] > alone["pooled"]
    sure = _rule(kinds)
    assert sure["threshold"] == sure["positive"]["threshold"] == kinds["yes"].max() > alone["threshold"]


def test_a_class_of_few_inputs_has_no_threshold_and_the_words_say_so() -> None:
    kinds = _two_kinds(np.random.default_rng(3), tumours=MIN_POSITIVE - 1, healthy=MIN_UNITS)
    rule = _rule(kinds)
    assert rule["classes"]["yes"] == rule["positive"]
    assert rule["positive"] == {"units": MIN_POSITIVE - 1, "threshold": None, "confidence": None}
    assert rule["classes"]["no"]["threshold"] == choose_threshold(kinds["no"], RATE)
    assert rule["threshold"] == rule["pooled"]
    assert rule_text(rule, "tumour") == (
        "set on 37 independent inputs of validation so that at most 1.0% of inputs like them are not assessed, "
        "together and by class but yes (7), which have fewer than 30; inputs with a tumour (7) are too few for a bound "
        "of their own"
    )


def test_a_positive_event_of_few_inputs_has_a_threshold_all_the_same() -> None:
    kinds = _two_kinds(np.random.default_rng(3), tumours=MIN_POSITIVE, healthy=MIN_UNITS - 1)
    rule = _rule(kinds)
    assert rule["threshold"] == rule["positive"]["threshold"] == choose_threshold(kinds["yes"], RATE)
    assert rule_text(rule, "tumour").endswith("; of inputs with a tumour (8), too few for 95% confidence, on average")
    sure = _rule(_two_kinds(np.random.default_rng(3), tumours=299, healthy=30))
    assert rule_text(sure, "tumour").endswith("; of inputs with a tumour (299) with 95% confidence")
    assert [kind["threshold"] for kind in rule["classes"].values()] == [None, None]
    assert rule_text(choose_rule(kinds["no"], {}, None, RATE), None).endswith("not assessed, together and by class")


def test_many_classes_of_few_inputs_are_not_all_named() -> None:
    scores = np.random.default_rng(4).uniform(0.1, 0.2, 30)
    by_class = {"many": scores} | {f"c{number}": scores[:2] for number in range(9)}
    assert "c4 (2) and 4 more, which" in rule_text(choose_rule(scores, by_class, None, RATE), None)


@pytest.mark.parametrize(("count", "rate"), [(400, 0.01), (2000, 0.05), (30, 0.01), (12, 0.01)])
def test_a_like_input_exceeds_the_threshold_as_rarely_as_was_asked(count: int, rate: float) -> None:
    random = np.random.default_rng(2)
    beyond = []
    for _ in range(400):
        threshold = choose_threshold(np.exp(random.normal(-2, 0.5, count)), rate)
        beyond.append(np.mean(np.exp(random.normal(-2, 0.5, 500)) > threshold))
    assert np.mean(beyond) == pytest.approx(rate, rel=0.35)


def test_a_threshold_from_enough_scores_is_one_of_them() -> None:
    scores = np.random.default_rng(3).uniform(size=500)
    threshold = choose_threshold(scores, 0.01)
    assert threshold in scores
    assert (scores > threshold).sum() == 4  # 501 times 0.01, less the input that is still to come


def test_scores_that_are_all_zero_have_a_threshold() -> None:
    assert 0.0 <= choose_threshold(np.zeros(5), 0.01) < 1e-3


@pytest.mark.parametrize("scores", [[0.3], [0.02, 0.05]])
def test_of_too_few_scores_the_threshold_leaves_nothing_unassessed(scores: list[float]) -> None:
    assert choose_threshold(np.array(scores), 0.01) == MAX_SCORE


def test_a_copy_of_a_training_image_in_validation_does_not_switch_the_score_off() -> None:
    scores = np.exp(np.random.default_rng(5).normal(-3, 0.3, 12))
    with_copy = np.append(scores[:-1], -2.4e-5)
    assert choose_threshold(with_copy, 0.01) < 6 * choose_threshold(scores, 0.01)


def test_series_of_one_patient_count_once() -> None:
    scores = np.array([0.1, 0.3, 0.2, 0.2, 0.9])
    drawn = one_of_each(scores, ["a", "a", "b", "c", "d"], [0, 0, 0, 1, 1], seed=0)
    assert len(drawn) == 2
    assert drawn[0] == pytest.approx(0.2)  # series a (median 0.2) or b
    assert drawn[1] in (0.2, 0.9)
    both = {float(one_of_each(scores, ["a", "a", "b", "c", "d"], [0, 0, 0, 1, 1], seed=seed)[1]) for seed in range(20)}
    assert both == {0.2, 0.9}
