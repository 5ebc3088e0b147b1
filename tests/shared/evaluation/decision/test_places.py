"""Slices at one place count once."""

from __future__ import annotations

import numpy as np
import pytest

from shared.evaluation.decision.places import count_places, find_places
from shared.samples import Position


def _at(*values: float, unit: str = "mm") -> tuple[Position, ...]:
    return tuple(Position(value, unit) for value in values)  # type: ignore[arg-type]


def test_slices_at_one_position_are_averaged_and_equal_ones_count_once() -> None:
    slices = np.array([[0.2], [0.6], [0.2], [0.9]])
    places = find_places(slices, _at(5.0, 5.0, 5.02, 0.0))
    np.testing.assert_allclose(places.mean(slices[:, 0]), [0.9, 0.4])
    assert places.at is not None
    np.testing.assert_allclose(places.at, [0.0, 5.01])


@pytest.mark.parametrize("positions", [(), _at(1.0, 2.0), (*_at(1.0), None, *_at(3.0))])
def test_without_all_positions_each_slice_has_a_place(positions: tuple[Position | None, ...]) -> None:
    places = find_places(np.array([[0.2], [0.2], [0.3]]), positions)
    assert places.at is None
    assert [rows.tolist() for rows in places.members] == [[0], [1], [2]]


def test_copies_of_one_slice_are_one_place_where_no_position_is_known() -> None:
    assert [rows.tolist() for rows in find_places(np.full((4, 2), 0.3)).members] == [[0]]


def test_positions_of_several_units_are_none() -> None:
    assert find_places(np.zeros((2, 1)), (*_at(1.0), *_at(2.0, unit="slices"))).at is None


def test_places_are_counted_and_not_slices() -> None:
    assert count_places(4, _at(1.0, 1.0, 2.0, 2.0)) == 2
    assert count_places(4) == 4
