"""The head of a slice is measured, within a field of noise too; the ends of a series show little of it."""

from __future__ import annotations

import numpy as np
import pytest

from medtl.head import ReducedCopy, reduced_copy
from medtl.little_head import compare_heads, measure_head

SIDE = 128
ROWS, COLUMNS = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
NOISE = np.hypot(*np.random.default_rng(7).normal(size=(2, SIDE, SIDE)))


def disc(area: float, *, brightness: float = 1.0, noise: float = 1.0) -> ReducedCopy:
    """A head that covers a share of the picture, dark within a bright rim, in noise."""
    radius, distance = 2 * np.sqrt(area / np.pi), np.hypot(ROWS, COLUMNS)
    tissue = np.where(distance < 0.8 * radius, 60 + 20 * np.sin(9 * ROWS), 150)
    return reduced_copy((brightness * np.where(distance < radius, tissue, 0) + noise * NOISE).astype(np.float32))


@pytest.mark.parametrize("area", [0.05, 0.3, 0.6])
def test_the_area_of_a_head_is_measured_with_the_dark_parts_in_it(area: float) -> None:
    assert measure_head(disc(area)).area == pytest.approx(area, rel=0.15)


def test_a_head_in_a_field_of_noise_is_what_stands_out_of_it() -> None:
    field = np.where(np.maximum(np.abs(ROWS), np.abs(COLUMNS)) < 0.97, 60 + 5 * NOISE, 0)
    vertex = np.where(np.hypot(ROWS, COLUMNS) < 0.25, 200, field).astype(np.float32)
    assert measure_head(reduced_copy(vertex)).area == pytest.approx(0.05, abs=0.02)


def test_a_head_that_fills_the_picture_is_no_field() -> None:
    rim = np.maximum(np.abs(ROWS), np.abs(COLUMNS)) > 0.9
    whole = np.where(rim, 250, 120 + 60 * np.sin(8 * ROWS) * np.cos(7 * COLUMNS)).astype(np.float32)
    whole[0, 0] = 0
    assert measure_head(reduced_copy(whole)).area > 0.9


def test_a_constant_picture_shows_no_head() -> None:
    assert compare_heads([reduced_copy(np.ones((64, 64), np.float32))]).little() == [True]


def test_little_head_is_told_by_the_series() -> None:
    assert compare_heads([disc(0.06), disc(0.2), disc(0.5), disc(0.08)]).little() == [True, False, False, True]


def test_a_picture_alone_is_judged_unless_hardly_any_head_is_on_it() -> None:
    assert compare_heads([disc(0.08)]).little() == [False]
    assert compare_heads([disc(0.03)]).little() == [True]


def test_a_dim_slice_of_the_series_is_a_head_but_one_of_noise_alone_is_none() -> None:
    assert compare_heads([disc(0.5), disc(0.5, brightness=0.3)]).little() == [False, False]
    assert compare_heads([disc(0.5), disc(0.5, brightness=0.02, noise=0.0)]).little() == [False, True]


def test_leaving_out_slices_with_little_head_changes_nothing_for_the_others() -> None:
    series = [disc(area) for area in (0.02, 0.05, 0.1, 0.2, 0.5, 0.3, 0.04)]
    little = compare_heads(series).little()
    rest = [copy for copy, is_little in zip(series, little, strict=True) if not is_little]
    assert 0 < len(rest) < len(series)
    assert not any(compare_heads(rest).little())
