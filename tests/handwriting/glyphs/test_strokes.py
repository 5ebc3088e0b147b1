"""Thinning to the path of a pen, and drawing it again; on drawn shapes, so that no font is needed."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy import ndimage

from handwriting.glyphs.strokes import MARGIN, redraw, trace

SIZE = 96


def canvas() -> np.ndarray:
    return np.zeros((SIZE, SIZE), dtype=np.float32)


def cross() -> np.ndarray:
    picture = canvas()
    cv2.line(picture, (48, 10), (48, 85), 1.0, 9)
    cv2.line(picture, (10, 48), (85, 48), 1.0, 9)
    return picture


def holes(picture: np.ndarray) -> int:
    return int(ndimage.label(picture < 0.5)[1]) - 1


def parts(picture: np.ndarray) -> int:
    return int(ndimage.label(picture >= 0.5, structure=np.ones((3, 3)))[1])


def test_a_bar_becomes_the_line_in_its_middle() -> None:
    picture = canvas()
    picture[40:51, 10:86] = 1.0
    points = trace(picture).points * SIZE
    np.testing.assert_allclose(points[:, 1], 45.5, atol=1.01)
    assert np.ptp(points[:, 0]) > 60
    assert len(points) < 80


@pytest.mark.parametrize("width", [1, 2, 3, 9])
@pytest.mark.parametrize("slope", [-1, 1])
def test_a_diagonal_keeps_its_length_however_thin(width: int, slope: int) -> None:
    picture = canvas()
    cv2.line(picture, (15, 48 - slope * 33), (81, 48 + slope * 33), 1.0, width)
    points = trace(picture).points * SIZE
    assert np.ptp(points, axis=0).min() > 60
    np.testing.assert_allclose(points[:, 1] - 48.5, slope * (points[:, 0] - 48.5), atol=1.5)


def test_a_ring_stays_closed_and_a_cross_keeps_four_ends() -> None:
    ring = canvas()
    cv2.circle(ring, (48, 48), 30, 1.0, 9)
    degree = np.bincount(trace(ring).edges.ravel())
    assert degree.min() == 2
    np.testing.assert_allclose(np.linalg.norm(trace(ring).points * SIZE - 48.5, axis=1), 30, atol=1.5)
    assert (np.bincount(trace(cross()).edges.ravel()) == 1).sum() == 4


def test_a_serif_leaves_no_branch() -> None:
    picture = canvas()
    picture[10:86, 44:53] = 1.0
    picture[44:48, 53:56] = 1.0
    assert (np.bincount(trace(picture).edges.ravel()) == 1).sum() == 2


@pytest.mark.parametrize("side", [1, 2, 5, 8])
def test_a_dot_stays_beside_a_stroke(side: int) -> None:
    picture = canvas()
    picture[10:86, 20:29] = 1.0
    picture[40 : 40 + side, 60 : 60 + side] = 1.0
    points = trace(picture).points * SIZE
    assert np.abs(points - (60 + side / 2, 40 + side / 2)).max(axis=1).min() <= 1.0
    written = redraw(trace(picture), 64, np.random.default_rng(0))
    assert parts(written) == 2


def test_what_was_joined_is_joined_when_it_is_drawn_again() -> None:
    ring = canvas()
    cv2.circle(ring, (48, 48), 30, 1.0, 9)
    for seed in range(20):
        drawn = redraw(trace(ring), 64, np.random.default_rng(seed))
        assert (parts(drawn), holes(drawn)) == (1, 1), seed


def test_the_frame_is_filled_up_to_the_margin_and_no_further() -> None:
    for seed in range(20):
        picture = redraw(trace(cross()), 32, np.random.default_rng(seed))
        assert (picture.dtype, picture.shape) == (np.float32, (32, 32))
        assert picture.min() == 0.0
        assert 0.4 < picture.max() <= 1.0
        rows, columns = np.nonzero(picture > 0.35 * picture.max())
        low, high = 32 * MARGIN - 1.5, 32 - 32 * MARGIN + 0.5
        assert min(rows.min(), columns.min()) >= low
        assert max(rows.max(), columns.max()) <= high
        assert max(np.ptp(rows), np.ptp(columns)) >= 24


def test_pens_differ_in_width_and_hands_in_shape_and_a_seed_repeats_both() -> None:
    path = trace(cross())
    drawn = [redraw(path, 32, np.random.default_rng(seed)) for seed in range(30)]
    np.testing.assert_array_equal(drawn[3], redraw(path, 32, np.random.default_rng(3)))
    assert len({picture.tobytes() for picture in drawn}) == 30
    ink = [float(picture.mean()) for picture in drawn]
    assert max(ink) > 1.8 * min(ink)
