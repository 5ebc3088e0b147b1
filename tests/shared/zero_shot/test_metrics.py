import numpy as np
import pytest

from shared.zero_shot.metrics import (
    StackingPoint,
    area_under_curve,
    best_stacking_shift,
    class_accuracy,
    evaluate_at,
    seen_margin,
    seen_unseen_curve,
    unseen_accuracy,
)

UNSEEN = np.array([False, False, True, True])


def rows(count=200, seed=0):
    random = np.random.default_rng(seed)
    labels = random.integers(0, 4, count)
    scores = random.normal(size=(count, 4))
    scores[np.arange(count), labels] += 1.5
    scores[:, ~UNSEEN] += 0.8
    return scores, labels


def test_classes_count_alike_however_many_images_they_have():
    labels = np.array([0] * 98 + [1, 1])
    assert class_accuracy(np.zeros(100, dtype=np.int64), labels) == 0.5


def test_t1_looks_at_unseen_classes_alone():
    scores = np.array([[9.0, 0, 1, 0], [0, 9, 0, 1], [0, 0, 1, 2]])
    assert unseen_accuracy(scores, np.array([2, 3, 0]), UNSEEN) == 1.0


def test_curve_says_what_each_shift_gives():
    scores, labels = rows()
    points = seen_unseen_curve(scores, labels, UNSEEN)
    assert points[0].seen == 0
    assert points[-1].unseen == pytest.approx(0)
    assert points[0].unseen == pytest.approx(unseen_accuracy(scores, labels, UNSEEN))
    for point in points[::17]:
        there = evaluate_at(scores, labels, UNSEEN, point.shift)
        assert (there.unseen, there.seen) == pytest.approx((point.unseen, point.seen))


def test_area_of_faultless_scores_is_one():
    labels = np.arange(4).repeat(5)
    assert area_under_curve(seen_unseen_curve(np.eye(4)[labels] * 5, labels, UNSEEN)) == pytest.approx(1.0)


def test_harmonic_mean_is_zero_where_one_side_is():
    assert StackingPoint(0, 0.0, 1.0).harmonic == 0
    assert StackingPoint(0, 0.5, 1.0).harmonic == pytest.approx(2 / 3)


def test_a_lead_is_the_shift_that_turns_an_answer():
    scores, _ = rows()
    lead = float(seen_margin(scores, UNSEEN)[0])
    for shift, is_unseen in ((lead - 1e-6, False), (lead + 1e-6, True)):
        assert UNSEEN[(scores[0] - shift * ~UNSEEN).argmax()] == is_unseen


def test_one_shift_serves_all_problems():
    problems = [(*rows(seed=seed), UNSEEN) for seed in range(3)]

    def mean(shift):
        return np.mean([evaluate_at(*problem, shift).harmonic for problem in problems])

    chosen = best_stacking_shift(problems)
    assert mean(chosen) > mean(0.0)
    assert mean(chosen) > max(mean(shift) for shift in np.linspace(0, 6, 200)) - 0.01
    # one problem in which nothing helps but to call all images unseen does not carry the shift away
    scores, labels = rows(seed=3)
    hopeless = (scores + 50.0 * ~UNSEEN, labels, UNSEEN)
    assert best_stacking_shift([*problems, hopeless]) == pytest.approx(chosen, abs=0.5)


def test_seen_classes_are_never_favoured_further():
    scores, labels = rows()
    scores[:, UNSEEN] += 5.0
    assert max(seen_unseen_curve(scores, labels, UNSEEN), key=lambda point: point.harmonic).shift < 0
    assert best_stacking_shift([(scores, labels, UNSEEN)]) == 0.0
