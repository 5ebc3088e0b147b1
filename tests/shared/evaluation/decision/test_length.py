"""A length is an extent in mm where it is known, and a number of slices where it is not."""

from __future__ import annotations

from typing import Any

import pytest

from shared.evaluation.decision.length import Length, range_words, ranges_of
from shared.samples import Position


def _every(spacing: float, count: int, unit: str = "mm") -> Length:
    return Length.of(count, [Position(spacing * i, unit) for i in range(count)])  # type: ignore[arg-type]


def test_the_extent_ends_one_spacing_behind_the_last_place() -> None:
    assert _every(6.0, 24) == Length(24, 144.0)
    assert _every(2.0, 87) == Length(87, 174.0)
    doubled = [Position(5.0 * (i // 2)) for i in range(8)]
    assert Length.of(8, doubled) == Length(4, 20.0)


def test_what_lies_between_slices_far_apart_is_not_covered() -> None:
    assert _every(60.0, 2) == Length(2, 20.0)
    with_hole = [Position(value) for value in (0.0, 5.0, 10.0, 60.0, 65.0, 70.0)]
    assert Length.of(6, with_hole).mm == 5 + 5 + 10 + 5 + 5 + 5


@pytest.mark.parametrize(
    "length",
    [
        Length.of(3),
        _every(1.0, 3, "slices"),
        Length.of(3, [Position(1.0), None, Position(2.0)]),
    ],
)
def test_without_positions_in_mm_there_is_no_extent(length: Length) -> None:
    assert length == Length(3)
    assert Length.of(2, [Position(1.0)] * 2) == Length(1)


PLANAR = ranges_of([_every(6.0, 20), _every(6.0, 24)])


def test_thin_slices_of_the_same_head_are_of_a_like_length() -> None:
    assert PLANAR == {"lengths": [20, 24], "extents_mm": [120.0, 144.0]}
    assert _every(2.0, 87).is_like(PLANAR)
    assert _every(1.0, 60).is_like(PLANAR)
    assert not _every(1.0, 59).is_like(PLANAR)
    assert not _every(6.0, 49).is_like(PLANAR)
    assert not _every(2.0, 24).is_like(PLANAR)


def test_slices_count_where_either_side_has_no_extent() -> None:
    assert Length(48).is_like(PLANAR)
    assert not Length(87).is_like(PLANAR)
    for ranges in (ranges_of([Length(20)]), {"lengths": [20, 20]}):
        assert _every(2.0, 40).is_like(ranges)
        assert not _every(2.0, 87).is_like(ranges)
    assert ranges_of([Length(20), _every(5.0, 10)]) == {"lengths": [10, 20], "extents_mm": [50.0, 50.0]}


@pytest.mark.parametrize(
    ("ranges", "length", "like"),
    [
        ({"lengths": [1, 1]}, Length(1), True),
        ({"lengths": [1, 1]}, Length(2, 10.0), False),
        ({"lengths": [2, 24], "extents_mm": [10.0, 120.0]}, Length(1), False),
        ({"lengths": [1, 24], "extents_mm": [100.0, 120.0]}, Length(1), True),
        ({"lengths": [1, 24], "extents_mm": [100.0, 120.0]}, Length(2, 10.0), True),
    ],
)
def test_single_images_are_like_single_images(ranges: dict[str, Any], length: Length, like: bool) -> None:
    assert length.is_like(ranges) == like


def test_lengths_are_said_in_words() -> None:
    assert (str(Length(12)), str(_every(6.0, 24))) == ("12 slices", "24 slices, 144 mm")
    assert (range_words(10, 24), range_words(9.9, 10.1)) == ("10 to 24", "10")
