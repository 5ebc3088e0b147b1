from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from medtl.dicom.acquisition import Contrast
from medtl.dicom.geometry import ImagePlane
from medtl.dicom.series import Slice, order_slices
from shared.errors import InputRefused

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def at(place_mm: float | None, number: int | None = None, value: float | None = None, **changes: Any) -> Slice:
    """A slice whose first pixel says where it is, unless it has a `value` of its own."""
    pixels = np.zeros((4, 5), np.float32)
    pixels[0, 0] = place_mm if value is None else value
    plane = ImagePlane(None if place_mm is None else (0.0, 0.0, place_mm), AXIAL)
    fields = {"pixels": pixels, "plane": plane, "source": "a", "frame": 0, "instance_number": number}
    return Slice(**(fields | changes))


def values(slices: Sequence[Slice]) -> list[float]:
    return [float(one.pixels[0, 0]) for one in slices]


def refusal(slices: Sequence[Slice]) -> str:
    with pytest.raises(InputRefused) as caught:
        order_slices(slices)
    return str(caught.value)


def test_positions_decide_the_order_against_numbers() -> None:
    ordered, notes = order_slices([at(10.0, 1), at(0.0, 2), at(5.0, 3)])
    assert values(ordered) == [0, 5, 10]
    assert notes == ()


def test_numbers_decide_where_positions_are_not_stated_and_that_is_said() -> None:
    ordered, notes = order_slices([at(None, 3, 7), at(0.0, 2), at(None, 1, 8)])
    assert values(ordered) == [8, 0, 7]
    assert notes == (
        "2 of 3 slices state no position: they are in the order of their instance numbers, and gaps between them "
        "cannot be noticed",
    )


def test_one_slice_without_position_is_no_matter() -> None:
    assert order_slices([at(None, None, 3)])[1] == ()


def test_copies_are_dropped_and_counted_before_anything_else_is_checked() -> None:
    ordered, notes = order_slices([at(0.0, 1), at(5.0, 2), at(5.0, 3), at(10.0, 4)])
    assert values(ordered) == [0, 5, 10]
    assert notes == ("1 slices are copies of others and were judged once",)


def test_other_pixels_in_the_same_place_are_refused() -> None:
    assert refusal([at(0.0, 1), at(5.0, 2), at(5.0, 3, 99)]).startswith("shows 1 of its places more than once, with")


def test_acquisitions_that_share_places_are_named() -> None:
    slices = [at(5.0 * (index % 3), index, index, contrast=Contrast(acquisition=index // 3)) for index in range(6)]
    assert refusal(slices).startswith("shows 3 of its places more than once (2 acquisitions)")


def test_acquisitions_at_places_of_their_own_are_one_stack() -> None:
    slices = [at(5.0 * index, index, contrast=Contrast(acquisition=index % 2)) for index in range(6)]
    assert len(order_slices(slices)[0]) == 6


@pytest.mark.parametrize("placed", [True, False])
def test_echoes_are_refused_with_their_times(placed: bool) -> None:
    slices = [
        at(float(index) if placed else None, index, index, contrast=Contrast(echo_time_ms=echo))
        for index, echo in enumerate((20.0, 20.2, 90.0))
    ]
    assert "2 echo times (20 to 90 ms)" in refusal(slices)
    assert len(order_slices(slices[:2])[0]) == 2


@pytest.mark.parametrize("placed", [True, False])
def test_time_points_are_refused(placed: bool) -> None:
    slices = [
        at(float(index) if placed else None, index, index, contrast=Contrast(time_point=index)) for index in range(3)
    ]
    assert "3 time points" in refusal(slices)


def test_sizes_are_not_mixed() -> None:
    assert "2 sizes (4 x 5 to 6 x 6 pixels)" in refusal([at(0.0), at(1.0, pixels=np.ones((6, 6), np.float32))])


def test_orientations_are_not_mixed() -> None:
    assert "2 orientations" in refusal(
        [at(0.0), at(1.0, plane=ImagePlane((0.0, 0.0, 1.0), (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)))]
    )


def test_narrow_gaps_are_said() -> None:
    (note,) = order_slices([at(5.0 * index) for index in range(10) if index != 4])[1]
    assert note == "1 gap in the series (usual step 5.0 mm, widest 10.0 mm): what lies there was not seen"


@pytest.mark.parametrize(("missing", "refused"), [((3, 4), False), ((3, 4, 5), True), ((2, 4, 6), True)])
def test_third_of_the_extent_in_gaps_is_too_much(missing: Sequence[int], refused: bool) -> None:
    """Ten slices, 45 mm: without two 10 mm are unseen, without three 15."""
    slices = [at(5.0 * index) for index in range(10) if index not in missing]
    if refused:
        assert refusal(slices).startswith("has gaps of 15 of 45 mm")
    else:
        assert "1 gap" in order_slices(slices)[1][0]


@pytest.mark.parametrize("placed", [True, False])
@pytest.mark.parametrize(("missing", "refused"), [((2, 5), False), ((2, 5, 7), True)])
def test_more_than_a_fifth_missing_by_number_is_too_much(placed: bool, missing: Sequence[int], refused: bool) -> None:
    """Positions close up where a file was left out, as anonymisers that renumber places do."""
    kept = [number for number in range(10) if number not in missing]
    slices = [at(5.0 * index if placed else None, number, number) for index, number in enumerate(kept)]
    if refused:
        assert re.match(r"misses 3 of 10 slices by its instance numbers", refusal(slices))
    else:
        assert len(order_slices(slices)[0]) == 8


def test_numbers_that_count_in_steps_miss_nothing() -> None:
    assert order_slices([at(float(index), 1 + 8 * index) for index in range(48)])[1] == ()
