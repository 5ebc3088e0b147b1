from __future__ import annotations

import numpy as np
import pytest

from shared.evaluation.decision.aggregation import Aggregation, aggregate
from shared.evaluation.decision.pools import POOLS
from shared.samples import Position

TUMOURS = np.array([True, True, False])
PLAIN = Aggregation()


def test_the_most_suspicious_fifth_shares_the_answer_among_classes() -> None:
    rows = np.array([[0.1, 0.0, 0.9], [0.6, 0.2, 0.2], [0.0, 0.5, 0.5], [0.3, 0.3, 0.4], [0.0, 0.1, 0.9]])
    assert aggregate(rows, TUMOURS, PLAIN) == pytest.approx([0.6, 0.2, 0.2])
    assert aggregate(rows, TUMOURS, Aggregation(("mean",)))[0] == pytest.approx(
        3 * aggregate(rows, TUMOURS, Aggregation(("mean",)))[1]
    )


def test_the_answer_is_a_distribution() -> None:
    rows = np.random.default_rng(0).dirichlet(np.ones(3), size=20)
    for pools in ((name,) for name in POOLS):
        assert aggregate(rows, TUMOURS, Aggregation(pools, (1.3,), -0.4)).sum() == pytest.approx(1.0)


def test_a_slice_alone_keeps_its_answer() -> None:
    rows = np.array([[0.2, 0.2, 0.6]])
    assert aggregate(rows, TUMOURS, PLAIN) == pytest.approx(rows[0])
    for pool in POOLS:
        assert Aggregation((pool,)).probability(np.array([0.3])) == pytest.approx(0.3)


def test_weights_and_bias_act_on_the_logit() -> None:
    found = Aggregation(("max", "mean"), (0.5, 2.0), -1.0).probability(np.array([0.8, 0.4]))
    logit = 0.5 * np.log(0.8 / 0.2) + 2.0 * (np.log(0.8 / 0.2) + np.log(0.4 / 0.6)) / 2 - 1.0
    assert found == pytest.approx(1 / (1 + np.exp(-logit)))


def test_a_slice_alone_and_its_copies_keep_the_probability_of_the_slice() -> None:
    """What was fitted to series of several slices says nothing of a single one."""
    for pools in (("max",), ("neighbours", "top_fifth", "mean")):
        rule = Aggregation(pools, (0.6,) * len(pools), -1.0)
        for value in (0.1, 0.2, 0.9):
            assert rule.probability(np.array([value])) == pytest.approx(value)
            same = [Position(3.0)] * 2
            assert rule.probability(np.array([value, value]), same) == pytest.approx(value)


def test_certain_slices_give_no_infinity() -> None:
    for value in (0.0, 1.0):
        assert np.isfinite(aggregate(np.array([[value, 0.0, 1 - value]]), TUMOURS, PLAIN)).all()


def test_without_a_positive_class_all_slices_count() -> None:
    rows = np.random.default_rng(0).dirichlet(np.ones(3), size=20)
    assert aggregate(rows, np.zeros(3, dtype=bool), PLAIN) == pytest.approx(rows.mean(axis=0))


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (Aggregation(("max",)), "highest slice"),
        (Aggregation(), "highest mean of neighbouring slices"),
        (
            Aggregation(("top_fifth",), (0.8,), 0.1),
            "mean of the most suspicious fifth of the slices, recalibrated",
        ),
        (
            Aggregation(("max", "mean"), (0.51, 0.256), 0.0),
            "0.51 x highest slice + 0.26 x mean of all slices, recalibrated",
        ),
    ],
)
def test_the_rule_is_said_in_words(rule: Aggregation, said: str) -> None:
    assert rule.rule == said


def test_a_series_without_slices_is_refused() -> None:
    for positive in (TUMOURS, ~TUMOURS & False):
        with pytest.raises(ValueError, match="without slices"):
            aggregate(np.zeros((0, 3)), positive, PLAIN)
