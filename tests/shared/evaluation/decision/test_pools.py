"""No pool counts slices: copies, order and what was not judged change nothing, to nine digits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.evaluation.decision.aggregation import Aggregation, aggregate
from shared.evaluation.decision.pools import POOLS
from shared.samples import Position

TUMOURS = np.array([True, True, False])
NEVER_MORE = 1e-9

rows_of = st.integers(0, 2**32 - 1)
pools = st.sampled_from(sorted(POOLS))


def _series(seed: int) -> tuple[np.ndarray, tuple[Position, ...]]:
    """Class probabilities and positions of a series of 1 to 30 slices, some of them equal."""
    random = np.random.default_rng(seed)
    count = int(random.integers(1, 31))
    rows = random.dirichlet(np.full(3, 0.5), size=count)
    rows[random.random(count) < 0.2] = rows[0]
    step, unit = float(random.choice([0.9, 3.0, 5.5])), str(random.choice(["mm", "slices"]))
    at = np.cumsum(random.choice([1, 1, 1, 2], size=count)) * (step if unit == "mm" else 1.0) - 40.0
    return rows, tuple(Position(float(one), unit) for one in at)  # type: ignore[arg-type]


def _answer(rows: np.ndarray, pool: str, positions: tuple[Position, ...]) -> np.ndarray:
    """Probability of the series, and of each class."""
    rule = Aggregation((pool,), (1.3,), -0.4)
    whole = rule.probability(rows[:, TUMOURS].sum(axis=1), positions)
    return np.array(
        [whole, *aggregate(rows, TUMOURS, rule, positions), *aggregate(rows, ~TUMOURS & False, rule, positions)]
    )


def _taken(positions: tuple[Position, ...], order: np.ndarray) -> tuple[Position, ...]:
    return tuple(positions[i] for i in order) if positions else ()


@settings(max_examples=150, deadline=None)
@given(rows_of, pools, st.integers(2, 12), st.booleans())
def test_all_slices_repeated_give_the_same_answer(seed: int, pool: str, times: int, placed: bool) -> None:
    rows, known = _series(seed)
    positions = known if placed else ()
    order = np.random.default_rng(seed).permutation(np.tile(np.arange(len(rows)), times))
    again = _answer(rows[order], pool, _taken(positions, order))
    np.testing.assert_allclose(again, _answer(rows, pool, positions), rtol=0, atol=NEVER_MORE)


@settings(max_examples=150, deadline=None)
@given(rows_of, pools, st.booleans())
def test_the_order_of_the_slices_does_not_count(seed: int, pool: str, placed: bool) -> None:
    rows, known = _series(seed)
    positions = known if placed else ()
    order = np.random.default_rng(seed + 1).permutation(len(rows))
    again = _answer(rows[order], pool, _taken(positions, order))
    np.testing.assert_allclose(again, _answer(rows, pool, positions), rtol=0, atol=NEVER_MORE)


@settings(max_examples=150, deadline=None)
@given(rows_of, pools)
def test_single_slices_repeated_at_their_positions_change_nothing(seed: int, pool: str) -> None:
    rows, positions = _series(seed)
    order = np.repeat(np.arange(len(rows)), np.random.default_rng(seed).integers(1, 5, size=len(rows)))
    again = _answer(rows[order], pool, _taken(positions, order))
    np.testing.assert_allclose(again, _answer(rows, pool, positions), rtol=0, atol=NEVER_MORE)


@settings(max_examples=100, deadline=None)
@given(rows_of, pools, st.floats(-300, 300))
def test_neither_the_zero_of_positions_nor_the_end_they_are_counted_from_counts(
    seed: int, pool: str, shift: float
) -> None:
    rows, positions = _series(seed)
    moved = tuple(Position(shift - one.value, one.unit) for one in positions)
    np.testing.assert_allclose(_answer(rows, pool, moved), _answer(rows, pool, positions), rtol=0, atol=NEVER_MORE)


@pytest.mark.parametrize("pool", sorted(POOLS))
def test_one_healthy_slice_stays_healthy_however_often_it_is_there(pool: str) -> None:
    for times in (1, 9, 12, 176):
        assert Aggregation((pool,)).probability(np.full(times, 0.03)) == pytest.approx(0.03, abs=NEVER_MORE)


def _pooled(pool: str, logits: list[float], positions: tuple[Position, ...] = ()) -> float:
    whole = Aggregation((pool,)).probability(1 / (1 + np.exp(-np.array(logits))), positions)
    return float(np.log(whole / (1 - whole)))


def _every(spacing: float, count: int) -> tuple[Position, ...]:
    return tuple(Position(i * spacing) for i in range(count))


LOGITS = [-3.0, 4.0, -3.0, -3.0, 1.0, 2.0, -3.0, -3.0, -3.0, -3.0]


def test_a_finding_must_be_seen_on_two_neighbouring_slices() -> None:
    assert _pooled("neighbours", LOGITS, _every(5.0, 10)) == pytest.approx(1.5)
    numbered = tuple(Position(float(i), "slices") for i in range(10))
    assert _pooled("neighbours", LOGITS, numbered) == pytest.approx(1.5)
    assert _pooled("neighbours", LOGITS) == pytest.approx(4.0)


def test_thin_slices_are_averaged_over_four_millimetres() -> None:
    thin = [-3.0] * 10 + [4.0] * 2 + [-3.0] * 10
    assert _pooled("neighbours", thin, _every(1.0, 22)) == pytest.approx((2 * 4.0 - 3 * 3.0) / 5)
    # a finding of one size counts alike however thin it is cut
    for step in (0.5, 1.0, 2.0, 4.0):
        seen = [2.0 if 20.0 <= i * step <= 28.0 else -3.0 for i in range(round(60 / step))]
        assert _pooled("neighbours", seen, _every(step, len(seen))) == pytest.approx(2.0)


def test_a_stack_thinner_than_the_window_is_one_place() -> None:
    assert _pooled("neighbours", [1.0, 2.0, 3.0], _every(1.0, 3)) == pytest.approx(2.0)


def test_the_most_suspicious_fifth_counts_the_last_slice_in_part() -> None:
    assert _pooled("top_fifth", LOGITS) == pytest.approx(3.0)
    assert _pooled("top_fifth", LOGITS[:7]) == pytest.approx((4.0 + 0.4 * 2.0) / 1.4)
