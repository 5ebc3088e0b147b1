"""What stays of a positive series without its finding."""

from __future__ import annotations

import numpy as np

from shared.evaluation.decision.remainders import MIN_REMAINDER, negative_remainder
from shared.samples import Position


def _marked(count: int, *marked: int) -> np.ndarray:
    return np.isin(np.arange(count), marked)


def _every(spacing: float, count: int) -> tuple[Position, ...]:
    return tuple(Position(i * spacing) for i in range(count))


def test_the_neighbours_of_a_finding_do_not_count_as_negative() -> None:
    assert negative_remainder(_marked(10, 1, 2), _every(5.0, 10)).tolist() == [4, 5, 6, 7, 8, 9]


def test_thin_slices_keep_a_distance_in_millimetres() -> None:
    assert negative_remainder(_marked(16, 2), _every(1.0, 16)).tolist() == list(range(7, 16))


def test_slices_at_the_place_of_a_positive_one_do_not_count() -> None:
    positions = (*_every(5.0, 9), Position(10.0), Position(40.0))
    assert negative_remainder(_marked(11, 2), positions).tolist() == [0, 4, 5, 6, 7, 8, 10]


def test_too_few_negative_slices_are_no_series() -> None:
    for count, length in ((MIN_REMAINDER + 2, MIN_REMAINDER), (MIN_REMAINDER + 1, 0)):
        assert len(negative_remainder(_marked(count, 0), _every(5.0, count))) == length


def test_nothing_remains_where_places_are_unknown_or_nothing_is_positive() -> None:
    assert not len(negative_remainder(_marked(20, 3), (None,) * 20))
    assert not len(negative_remainder(_marked(20), _every(5.0, 20)))
