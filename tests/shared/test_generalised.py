import numpy as np
import pytest

from shared.generalised import Point, area, at_shift, class_accuracy, curve, unseen_accuracy

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
    points = curve(scores, labels, UNSEEN)
    assert points[0].seen == 0
    assert points[-1].unseen == pytest.approx(0)
    assert points[0].unseen == pytest.approx(unseen_accuracy(scores, labels, UNSEEN))
    for point in points[::17]:
        there = at_shift(scores, labels, UNSEEN, point.shift)
        assert (there.unseen, there.seen) == pytest.approx((point.unseen, point.seen))


def test_area_of_faultless_scores_is_one():
    labels = np.arange(4).repeat(5)
    assert area(curve(np.eye(4)[labels] * 5, labels, UNSEEN)) == pytest.approx(1.0)


def test_harmonic_mean_is_zero_where_one_side_is():
    assert Point(0, 0.0, 1.0).harmonic == 0
    assert Point(0, 0.5, 1.0).harmonic == pytest.approx(2 / 3)
