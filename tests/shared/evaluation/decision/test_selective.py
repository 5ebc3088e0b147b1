"""The threshold for an error rate among accepted answers, and what validation certifies of it."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from scipy.stats import beta

from shared.errors import DataError
from shared.evaluation.decision.selective import COVERAGES, choose_rejection, risk_coverage

choose_named = partial(choose_rejection, named=True, group_name="writer")


def _draw(random: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Confidences uniform in 0..1 whose answers are wrong with a probability of (1 - confidence) / 2.

    Above a threshold t a share of (1 - t) / 4 is wrong.
    """
    confidence = random.random(count)
    return confidence, random.random(count) < (1.0 - confidence) / 2


def test_the_certified_error_holds_for_new_images_in_95_of_100_cases() -> None:
    """And not by rejecting everything: at 10% the best threshold accepts 40%. The plain rate, which takes the threshold
    with at most 10% of mistakes on validation, breaks the promise in about half of the cases.
    """
    random, target = np.random.default_rng(3), 0.1
    kept, honoured, accepted, plain = [], [], [], []
    for _ in range(200):
        confidence, wrong = _draw(random, 3000)
        found = choose_named(confidence, wrong, range(3000), target)
        error = (1.0 - found.threshold) / 4
        kept.append(error <= target)
        honoured.append(error <= found.certified)
        accepted.append(found.accepted / found.images)
        thresholds, _, rates = risk_coverage(confidence, wrong)
        plain.append((1.0 - thresholds[rates <= target].min()) / 4 <= target)
    assert np.mean(kept) >= 0.95
    assert np.mean(honoured) >= 0.95
    assert np.mean(accepted) > 0.25
    assert np.mean(plain) < 0.7


def test_most_answers_are_accepted_among_the_thresholds_that_keep_to_the_target() -> None:
    confidence = np.linspace(0.0, 1.0, 10_000)
    wrong = confidence < 0.3
    found = choose_named(confidence, wrong, range(10_000), 0.01)
    assert (found.accepted, found.wrong) == (7000, 0)
    assert confidence[confidence >= found.threshold].min() == pytest.approx(0.3, abs=1e-3)
    assert found.certified == pytest.approx(1.0 - (0.05 / COVERAGES) ** (1 / 7000))
    assert "asked for" not in found.statement
    assert choose_named(confidence, wrong, range(10_000), 0.4).threshold == 0.0


def test_the_bound_is_that_of_clopper_and_pearson_for_all_thresholds_and_models() -> None:
    confidence, wrong = _draw(np.random.default_rng(0), 2000)
    found = choose_named(confidence, wrong, range(2000), 0.15, choices=4)
    rest = found.accepted - found.wrong
    assert found.certified == pytest.approx(beta.ppf(1 - 0.05 / (COVERAGES * 4), found.wrong + 1, rest))
    assert found.wrong == int(wrong[confidence >= found.threshold].sum()) > 0
    assert "a choice among 50 thresholds and 4 models" in found.statement


def test_where_validation_cannot_certify_the_target_the_lowest_bound_stands_and_says_so() -> None:
    confidence = np.linspace(0.5, 1.0, 100)
    found = choose_named(confidence, np.zeros(100, dtype=bool), range(100), 0.001)
    assert (found.threshold, found.accepted) == (0.0, 100)
    assert found.certified == pytest.approx(1 - (0.05 / COVERAGES) ** (1 / 100))
    assert found.statement.endswith("; 0.10% was asked for, which validation cannot certify")


def test_a_threshold_of_ones_own_pays_for_no_choice() -> None:
    confidence, wrong = _draw(np.random.default_rng(1), 500)
    found = choose_named(confidence, wrong, range(500), 0.01, threshold=0.9)
    assert (found.threshold, found.thresholds) == (0.9, 1)
    assert found.certified == pytest.approx(beta.ppf(0.95, found.wrong + 1, found.accepted - found.wrong))
    assert "thresholds" not in found.statement


def test_equal_confidences_are_accepted_together_or_not_at_all() -> None:
    confidence = np.repeat([0.2, 0.9], [600, 400])
    wrong = np.arange(1000) < 300
    found = choose_named(confidence, wrong, range(1000), 0.05)
    assert (found.accepted, found.wrong) == (400, 0)
    assert 0.2 < found.threshold <= 0.9


def test_nothing_sure_enough_is_nothing_accepted() -> None:
    found = choose_named(np.full(50, 0.4), np.zeros(50, dtype=bool), range(50), 0.5, threshold=0.9)
    assert (found.accepted, found.wrong, found.certified) == (0, 0, 1.0)
    assert "0 of 50 images" in found.statement


def test_copies_certify_no_more_than_their_originals() -> None:
    confidence, wrong = _draw(np.random.default_rng(2), 400)
    once = choose_named(confidence, wrong, range(400), 0.3, threshold=0.5)
    units = np.repeat(np.arange(400), 5).tolist()
    copied = choose_named(np.repeat(confidence, 5), np.repeat(wrong, 5), units, 0.3, threshold=0.5)
    assert copied.accepted == 5 * once.accepted
    assert copied.certified == pytest.approx(once.certified, rel=0.02)
    alone = choose_named(np.repeat(confidence, 5), np.repeat(wrong, 5), range(2000), 0.3, threshold=0.5)
    assert alone.certified < 0.95 * once.certified


def test_where_no_writers_are_named_a_threshold_is_chosen_and_nothing_certified() -> None:
    confidence, wrong = _draw(np.random.default_rng(1), 500)
    named = choose_named(confidence, wrong, range(500), 0.1)
    found = choose_rejection(confidence, wrong, range(500), 0.1, group_name="writer")
    assert (found.threshold, found.accepted) == (named.threshold, named.accepted)
    assert (found.unit, found.certified) == ("images, writers unknown", None)
    assert found.statement.endswith("this certifies nothing (writers unknown)")
    assert found.among(100) == found


def test_a_certified_error_is_restated_for_more_models_from_what_it_recorded() -> None:
    confidence, wrong = _draw(np.random.default_rng(2), 600)
    writers = np.repeat(np.arange(60), 10).tolist()
    once, again = (choose_named(confidence, wrong, writers, 0.3, threshold=0.5, choices=count) for count in (2, 50))
    assert once.among(50) == again
    assert once.among(50).certified > once.certified
    assert once.among(1) == once


def test_no_image_gives_no_threshold() -> None:
    with pytest.raises(DataError, match="validation holds no image"):
        choose_named(np.empty(0), np.empty(0, dtype=bool), [], 0.01)


def test_the_curve_has_a_point_for_each_set_that_a_threshold_can_accept() -> None:
    confidence = np.array([0.5, 0.9, 0.5, 0.7])
    wrong = np.array([True, False, False, True])
    thresholds, coverage, error = risk_coverage(confidence, wrong)
    assert thresholds.tolist() == [0.9, 0.7, 0.5]
    assert coverage.tolist() == [0.25, 0.5, 1.0]
    assert error.tolist() == [0.0, 0.5, 0.5]
