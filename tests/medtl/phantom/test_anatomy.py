"""Heads and tumours: where tissues and lesions lie, and how they differ between people."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from medtl.phantom.anatomy import Head, draw_head
from medtl.phantom.canvas import Canvas, Noise, capsule, ellipse
from medtl.phantom.dataset import draw_slice
from medtl.phantom.physics import SCANNERS, signals
from medtl.phantom.tumours import KINDS, RADII_MM, Lesion, displaced, draw_lesions

ATLAS = SCANNERS["atlas"]
SIGNAL = signals(ATLAS, 0.6)


def _generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def head() -> Head:
    return draw_head(_generator())


def _slice(head: Head, lesions: list[Lesion], z: float) -> tuple[Any, Any]:
    return draw_slice(ATLAS, head, lesions, SIGNAL, z)


def _middle(head: Head) -> tuple[int, int]:
    centre = ATLAS.matrix // 2
    return centre + round(head.shift[1]), centre + round(head.shift[0])


def test_air_surrounds_the_head_and_white_matter_fills_it(head: Head) -> None:
    image, mask = _slice(head, [], 45.0)
    row, column = _middle(head)
    assert not image[:5].any()
    assert not mask.any()
    assert np.median(image[row - 10 : row + 10, column + 14 : column + 24]) == pytest.approx(SIGNAL["white"], rel=0.05)
    assert image.max() > 0.9 * SIGNAL["fat"]


def test_ventricles_hold_fluid_at_their_height_only(head: Head) -> None:
    row, column = _middle(head)
    window = np.s_[row - 25 : row + 15, column - 20 : column + 20]
    dark = [(_slice(head, [], z)[0][window] < 0.6 * SIGNAL["white"]).mean() for z in (20.0, 50.0)]
    assert dark[0] > 0.08
    assert dark[0] > 2.0 * dark[1]


def test_slice_through_the_orbits_has_air_in_the_nose_and_fat_behind_the_eyes(head: Head) -> None:
    image, _ = _slice(head, [], -24.0)
    row, column = _middle(head)
    assert image[row - 74 : row - 44, column - 8 : column + 8].min() < 0.1 * SIGNAL["white"]
    assert image[row - 60 : row - 45, column + 18 : column + 40].max() > 0.9 * SIGNAL["fat"]


def test_two_people_have_different_heads() -> None:
    first, second = (_slice(draw_head(_generator(seed)), [], 30.0)[0] > 0.0 for seed in (1, 2))
    assert (first != second).sum() > 300


def test_healthy_head_has_spots_as_bright_as_tumour(head: Head) -> None:
    image, _ = _slice(head, [], 30.0)
    row, column = _middle(head)
    inner = image[row - 60 : row + 90, column - 55 : column + 55]
    assert (inner > 1.4 * SIGNAL["white"]).sum() > 5


@pytest.mark.parametrize("kind", KINDS)
def test_tumours_keep_to_their_sizes_and_show_in_the_slice_through_them(head: Head, kind: str) -> None:
    for seed in range(8):
        lesions = draw_lesions(kind, head, _generator(seed))
        assert len(lesions) == 1 or kind == "metastasis"
        smallest, largest = RADII_MM[kind]
        assert all(smallest <= lesion.radius <= largest for lesion in lesions)
        for lesion in lesions:
            _, mask = _slice(head, [lesion], lesion.z)
            assert mask.sum() > 0.3 * np.pi * lesion.radius**2


def test_pituitary_tumour_lies_on_the_midline_and_low(head: Head) -> None:
    lesions = [draw_lesions("pituitary", head, _generator(seed))[0] for seed in range(20)]
    assert max(abs(lesion.x) for lesion in lesions) < 5.0
    assert max(lesion.z for lesion in lesions) < -10.0


def test_meningioma_touches_dura_and_glioma_does_not_leave_the_brain(head: Head) -> None:
    row, column = _middle(head)
    rows, columns = np.mgrid[: ATLAS.matrix, : ATLAS.matrix]
    for seed in range(6):
        lesion = draw_lesions("meningioma", head, _generator(seed))[0]
        _, mask = _slice(head, [lesion], lesion.z)
        image, _ = _slice(head, [], lesion.z)
        skull = (image < 0.25 * SIGNAL["white"]) & (np.hypot(rows - row, columns - column) < 95)
        to_skull = np.hypot(*(np.argwhere(mask)[:, None] - np.argwhere(skull)[None, ::7]).transpose(2, 0, 1)).min()
        falx = abs(np.argwhere(mask)[:, 1] - column).min()
        assert min(to_skull, falx) < 6.0


def test_glioma_is_a_bright_ring_around_a_dark_core(head: Head) -> None:
    lesion = Lesion("glioma", 35.0, 0.0, 40.0, 18.0, 0.3, 0.5, 0.8, 0.0)
    image, mask = _slice(head, [lesion], 40.0)
    inside = image[mask]
    assert np.percentile(inside, 90) > 1.2 * SIGNAL["white"]
    assert np.percentile(inside, 10) < 0.8 * SIGNAL["white"]


def test_oedema_lies_outside_the_mask_and_is_darker_than_white_matter(head: Head) -> None:
    without = Lesion("glioma", 35.0, 0.0, 40.0, 12.0, 0.5, 0.0, 0.7, 0.0)
    swollen = Lesion("glioma", 35.0, 0.0, 40.0, 12.0, 0.5, 0.9, 0.7, 0.0)
    (dry, mask), (wet, same) = _slice(head, [without], 40.0), _slice(head, [swollen], 40.0)
    assert (mask == same).all()
    assert (wet[~mask] < dry[~mask] - 0.05 * SIGNAL["white"]).sum() > 100


def test_tumour_pushes_tissue_outwards_and_leaves_what_is_far() -> None:
    x, y = (np.array([[value]], dtype=np.float32) for value in (30.0, 0.0))
    near = Lesion("glioma", 15.0, 0.0, 0.0, 15.0, 0.5, 0.5, 0.7, 0.0)
    assert displaced([near], x, y, 0.0)[0].item() < 27.0
    assert displaced([near], x, y, 60.0)[0].item() == pytest.approx(30.0, abs=0.01)


def test_noise_is_standard_smooth_and_repeats() -> None:
    noise = Noise(_generator(), 6.0)
    x, y = np.meshgrid(np.arange(192, dtype=np.float32), np.arange(192, dtype=np.float32))
    values = noise.at(x, y, 10.0)
    assert np.std([noise.at(x, y, z).std() for z in (0.0, 50.0)]) < 0.3
    assert np.abs(np.diff(values, axis=1)).max() < 0.6
    np.testing.assert_allclose(noise.at(x + 192.0, y - 192.0, 10.0), values, atol=1e-3)


def test_shapes_are_zero_on_their_edge_and_positive_inside() -> None:
    x, y = (np.array([values], dtype=np.float32) for values in ([10.0, 0.0, 0.0, 20.0], [0.0, 5.0, 2.0, 0.0]))
    np.testing.assert_allclose(ellipse(x, y, 10.0, 5.0)[0, :2], 0.0, atol=1e-5)
    assert ellipse(x, y, 10.0, 5.0)[0, 2] > 0.0 > ellipse(x, y, 10.0, 5.0)[0, 3]
    np.testing.assert_allclose(capsule(x, y, (-8.0, 0.0), (8.0, 0.0), 2.0)[0], [0.0, -3.0, 0.0, -10.0], atol=1e-5)


def test_paint_mixes_on_an_edge() -> None:
    x = np.array([[-1.0, 0.0, 1.0]], dtype=np.float32)
    canvas = Canvas(x, x * 0.0, 1.0, {"white": 2.0})
    canvas.paint("white", x)
    np.testing.assert_allclose(canvas.image, [[0.0, 1.0, 2.0]])
