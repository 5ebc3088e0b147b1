from __future__ import annotations

import numpy as np
import pytest

from medtl.results.slice_picture import AGAINST_RGB, FOR_RGB, MIN_WIDTH, Overlay, draw_slice, smoothed

WARNING = "RESEARCH USE ONLY"


def ramp(rows: int, columns: int) -> np.ndarray:
    return np.tile(np.linspace(0, 1000, columns, dtype=np.float32), (rows, 1))


def height_of_words(picture: np.ndarray) -> int:
    """Rows of the alarm band that hold bright letters."""
    band = picture[picture[:, 0, 0] == 176]
    return int((band.min(axis=2).max(axis=1) > 150).sum())


@pytest.mark.parametrize("shape", [(64, 64), (1024, 1024), (512, 64), (64, 512), (40, 40)])
def test_warning_is_legible_at_any_size(shape: tuple[int, int]) -> None:
    picture = draw_slice(ramp(*shape), WARNING, ["finding"])
    assert picture.dtype == np.uint8
    assert picture.shape[1] >= MIN_WIDTH
    assert height_of_words(picture) > picture.shape[1] / 40


def test_slice_is_shown_whole_and_in_its_proportions() -> None:
    pixels = np.zeros((100, 200), dtype=np.float32)
    pixels[10:90, 20:180] = 1
    picture = draw_slice(pixels, WARNING, [])
    bright = np.argwhere(picture.min(axis=2)[picture[:, 0, 0] == 0] > 128)
    height, width = bright.max(axis=0) - bright.min(axis=0)
    assert height / width == pytest.approx(80 / 160, rel=0.03)


def test_constant_slice_is_drawn() -> None:
    assert draw_slice(np.full((64, 64), 7, dtype=np.float32), WARNING, ["finding"]).any()


def test_overlay_is_coloured_by_sign_beside_the_plain_slice() -> None:
    values = np.zeros((64, 64), dtype=np.float32)
    values[10:30, 10:30], values[40:60, 40:60] = 1, -1
    black = np.zeros((64, 64), dtype=np.float32)
    plain = draw_slice(black, WARNING, [])
    picture = draw_slice(black, WARNING, [], Overlay(values, 1.0))
    assert picture.shape[1] > 2 * 512
    top = int((picture[:, 0, 0] == 176).sum())
    left, right = picture[top : top + 512, :512], picture[top : top + 512, -512:]
    assert not left.any()
    assert not plain[plain[:, 0, 0] == 0].any()
    np.testing.assert_allclose(right[160, 160], 0.85 * np.array(FOR_RGB), atol=1)
    np.testing.assert_allclose(right[400, 400], 0.85 * np.array(AGAINST_RGB), atol=1)
    assert not right[160, 400].any()


def test_words_below_are_told_apart_and_long_ones_fit() -> None:
    short = draw_slice(ramp(64, 64), WARNING, ["a"])
    assert not np.array_equal(short, draw_slice(ramp(64, 64), WARNING, ["b"]))
    assert len(draw_slice(ramp(64, 64), WARNING, ["word " * 100])) > len(short)
    for many in ("word " * 100, "w" * 500):
        long = draw_slice(ramp(64, 64), WARNING, [many])
        assert long.shape[1] == short.shape[1]
        below = int((long[:, 0, 0] == 176).sum()) + 512
        assert long[below:, -8:].max() < 60 < long[below:, 16:200].max()


def test_smoothing_takes_away_what_varies_from_pixel_to_pixel() -> None:
    board = np.indices((200, 200)).sum(axis=0) % 2 * 2.0 - 1
    patch = np.zeros((200, 200), dtype=np.float32)
    patch[80:120, 80:120] = 1
    result = smoothed((board + patch).astype(np.float32))
    assert abs(float(result[20, 20])) < 0.01
    assert result[100, 100] == pytest.approx(1, abs=0.01)
