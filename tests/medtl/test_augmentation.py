"""Variations as other scanners would show a slice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from medtl.augmentation import AIR, RandomContrast, augment

SIZE = 48


@pytest.fixture(scope="module")
def head() -> np.ndarray:
    """White matter, grey matter, fluid and a bright spot in the dark, float32 [1, 48, 48]."""
    y, x = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    radius = np.hypot(x, y * 0.8)
    image = np.select([radius < 0.2, radius < 0.5, radius < 0.75], [0.25, 0.7, 0.45], 0.0)
    image[np.hypot(x - 0.35, y) < 0.12] = 0.95
    return image[np.newaxis].astype(np.float32)


def test_augmentation_is_a_pure_function_of_image_and_seed(head: np.ndarray) -> None:
    before = head.copy()
    alone = [augment(head, seed) for seed in range(6)]
    with ThreadPoolExecutor(3) as pool:
        threaded = list(pool.map(lambda seed: augment(head, seed), [*range(6)][::-1]))[::-1]
    for first, second in zip(alone, threaded, strict=True):
        np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(head, before)
    assert len({one.tobytes() for one in alone}) == 6


def test_augmented_image_keeps_shape_and_range(head: np.ndarray) -> None:
    for seed in range(40):
        varied = augment(head, seed)
        assert varied.shape == head.shape
        assert varied.dtype == np.float32
        assert varied.min() >= 0
        assert varied.max() <= 1


def test_a_finding_stays_to_be_seen_in_nearly_all_contrasts(head: np.ndarray) -> None:
    contrast = RandomContrast().set_random_state(seed=1)
    spot, around = head[0] == head.max(), head[0] == np.float32(0.7)
    differences = [abs(float(varied[0][spot].mean() - varied[0][around].mean())) for varied in _of(contrast, head, 200)]
    assert np.mean(np.array(differences) > 0.05) > 0.9


def _of(contrast: RandomContrast, image: np.ndarray, count: int) -> list[np.ndarray]:
    return [np.asarray(contrast(image)) for _ in range(count)]


def _curves(count: int) -> np.ndarray:
    """[count, 101] what became of the brightnesses 0 to 1."""
    contrast = RandomContrast().set_random_state(seed=3)
    ramp = np.linspace(0, 1, 101, dtype=np.float32)
    return np.array([contrast(ramp) for _ in range(count)])


def test_contrast_is_kept_rises_or_turns_tissues_around() -> None:
    curves = _curves(400)
    ramp = np.linspace(0, 1, 101, dtype=np.float32)
    kept = (np.abs(curves - ramp) < 1e-6).all(axis=1)
    falling = (np.diff(curves, axis=1) < -1e-4).any(axis=1)
    assert 0.3 < kept.mean() < 0.5
    assert 0.05 < falling.mean() < 0.2
    assert curves.min() >= 0
    assert curves.max() <= 1 + 1e-6


def test_air_stays_dark_and_no_curve_is_flat() -> None:
    curves = _curves(400)
    assert curves[:, 0].max() == 0
    remapped = curves[:, int(100 * AIR) :]
    assert np.ptp(remapped, axis=1).min() > 0.5
