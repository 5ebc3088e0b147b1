"""Variations as other scanners would show a slice."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from medtl.augmentation import AIR, RandomContrast, augment, augment_hospitals
from medtl.task import TASK
from shared.errors import ConfigError
from shared.task import Image

SIZE = 48


@pytest.fixture(scope="module")
def head() -> np.ndarray:
    """White matter, grey matter, fluid and a bright spot in the dark, float32 [1, 48, 48]."""
    y, x = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    radius = np.hypot(x, y * 0.8)
    image = np.select([radius < 0.2, radius < 0.5, radius < 0.75], [0.25, 0.7, 0.45], 0.0)
    image[np.hypot(x - 0.35, y) < 0.12] = 0.95
    return image[np.newaxis].astype(np.float32)


both = pytest.mark.parametrize("vary", [augment, augment_hospitals])


@both
def test_augmentation_is_a_pure_function_of_image_and_seed(
    head: np.ndarray, vary: Callable[[Image, int], Image]
) -> None:
    before = head.copy()
    alone = [vary(head, seed) for seed in range(6)]
    with ThreadPoolExecutor(3) as pool:
        threaded = list(pool.map(lambda seed: vary(head, seed), [*range(6)][::-1]))[::-1]
    for first, second in zip(alone, threaded, strict=True):
        np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(head, before)
    assert len({one.tobytes() for one in alone}) == 6


@both
def test_augmented_image_keeps_shape_and_range(head: np.ndarray, vary: Callable[[Image, int], Image]) -> None:
    for seed in range(40):
        varied = vary(head, seed)
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


def test_hospitals_turn_and_strip_slices_where_scanners_do_not() -> None:
    y, x = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    radius = np.hypot(x, y)
    image = np.select([radius < 0.7, radius < 0.9], [0.3, 1.0], 0.0)
    image[(radius < 0.7) & (y < -0.3)] = 0.8  # upright: what is bright lies above
    image = image[np.newaxis].astype(np.float32)
    upright, others = ([_up(vary(image, seed)) for seed in range(60)] for vary in (augment, augment_hospitals))
    assert np.mean(upright) > 0.85
    assert 0.02 < np.mean(upright) - np.mean(others) < 0.5


def _up(image: np.ndarray) -> bool:
    """Whether inner rows differ between above and below more than columns do between left and right."""
    inner = image[0, SIZE // 4 : -SIZE // 4, SIZE // 4 : -SIZE // 4]
    half = len(inner) // 2
    down = abs(inner[:half].mean() - inner[half:].mean())
    across = abs(inner[:, :half].mean() - inner[:, half:].mean())
    return bool(down > across)


def test_coarse_slices_are_as_coarse_at_every_size() -> None:
    """A spacing of 2 to 5 mm on a head of 220 mm, however many pixels show it."""
    from medtl.augmentation import _hospitals

    for size in (64, 128, 224):
        (coarse,) = [one for one in _hospitals(size, 0).looks.transforms if hasattr(one, "zoom_range")]
        assert coarse.zoom_range == pytest.approx((min(1, 44 / size), min(1, 110 / size)))


def test_the_task_knows_its_kinds_and_refuses_others(head: np.ndarray) -> None:
    kinds = {kind: TASK.augment(head, 4, kind) for kind in TASK.augmentations}
    np.testing.assert_array_equal(kinds["mri_hospitals"], augment_hospitals(head, 4))
    assert len({one.tobytes() for one in kinds.values()}) == 3
    with pytest.raises(ConfigError, match="unknown augmentation 'mri_hospital'; did you mean mri_hospitals"):
        TASK.augment(head, 4, "mri_hospital")


@pytest.mark.parametrize("kind", TASK.augmentations)
def test_a_mask_follows_its_image_and_does_not_change_it(kind: str) -> None:
    """A slice whose bright square is its finding: the square stays the brightest part, and the mask lies on it."""
    image = np.zeros((1, 64, 64), dtype=np.float32)
    y, x = np.mgrid[:64, :64]
    image[0, np.hypot(y - 32, x - 32) < 28] = 0.4
    image[0, 20:30, 36:48] = 1.0
    mask = (image == 1.0).astype(np.float32)
    overlaps = []
    for seed in range(24):
        both = TASK.augment(np.concatenate([image, mask]), seed, kind)
        alone = TASK.augment(image, seed, kind)
        assert both.shape == (2, 64, 64)
        np.testing.assert_array_equal(both[:1], alone)
        inside = both[1] > 0.5
        assert inside.sum() > 40
        around = both[0][(both[1] == 0.0) & (both[0] > 0.1)]
        overlaps.append(abs(both[0][inside].mean() - around.mean()))
    assert np.median(overlaps) > 0.15
