from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from handwriting.page.binarise import MIN_RANGE, SAUVOLA_K, ink_mask, is_light_ink, sauvola


def strokes() -> NDArray[np.bool_]:
    mask = np.zeros((120, 200), dtype=np.bool_)
    for column in range(20, 180, 30):
        mask[30:90, column : column + 7] = True
    return mask


def test_threshold_is_that_of_the_formula() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (40, 50)).astype(np.uint8)
    window = 9
    padded = np.pad(grey.astype(float), window // 2, mode="symmetric")
    around = np.lib.stride_tricks.sliding_window_view(padded, (window, window))
    mean, deviation = around.mean(axis=(2, 3)), around.std(axis=(2, 3))
    dynamic = max(MIN_RANGE, np.quantile(deviation[::4, ::4], 0.999))
    threshold = mean * (1 - SAUVOLA_K * (1 - deviation / dynamic))
    sure = np.abs(grey - threshold) > 0.01
    np.testing.assert_array_equal(sauvola(grey, window)[sure], (grey < threshold)[sure])


@pytest.mark.parametrize("light_ink", [False, True])
def test_strokes_are_found_across_the_edge_of_a_shadow(light_ink: bool) -> None:
    ink = strokes()
    paper, pen = (60, 220) if light_ink else (220, 60)
    light = np.where(np.arange(200) < 100, 1.0, 0.6)
    grey = np.rint(np.where(ink, pen, paper) * light).astype(np.uint8)
    found = ink_mask(grey, 51, light_ink=light_ink)
    assert np.mean(found[ink]) > 0.95
    # one pixel beside a stroke is its soft edge
    beside = np.roll(ink, 1, axis=1) | np.roll(ink, -1, axis=1) | np.roll(ink, 1, axis=0) | np.roll(ink, -1, axis=0)
    assert not found[~ink & ~beside].any()


@pytest.mark.parametrize("edge", [False, True])
def test_polarity_is_that_of_the_strokes_and_not_of_a_shadow(edge: bool) -> None:
    light = np.where(np.arange(200) < (80 if edge else 200), 1.0, 0.5)
    dark = np.where(strokes(), 60, 220) * light
    assert not is_light_ink(dark.astype(np.uint8))
    assert is_light_ink((255 - dark).astype(np.uint8))
