"""Variations of slices: other positions, scanners and hospitals."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import Tensor

from medtl.augmentation import CHAINS, MONAI, chain_of
from medtl.task import TASK
from shared.errors import ConfigError

SIZE = 48
kinds = pytest.mark.parametrize("kind", CHAINS)
all_kinds = pytest.mark.parametrize("kind", TASK.augmentations)


@pytest.fixture(scope="module")
def head() -> Tensor:
    """White matter, grey matter, fluid and a bright spot in the dark, float32 [1, 48, 48]."""
    y, x = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    radius = np.hypot(x, y * 0.8)
    image = np.select([radius < 0.2, radius < 0.5, radius < 0.75], [0.25, 0.7, 0.45], 0.0)
    image[np.hypot(x - 0.35, y) < 0.12] = 0.95
    return torch.from_numpy(image[np.newaxis].astype(np.float32))


def _many(image: Tensor, count: int, kind: str, first: int = 0) -> Tensor:
    return TASK.augment(image.repeat(count, 1, 1, 1), range(first, first + count), kind)


@all_kinds
def test_augmentation_is_a_pure_function_of_image_and_seed(head: Tensor, kind: str) -> None:
    before = head.clone()
    alone = [_many(head, 1, kind, seed) for seed in range(6)]
    with ThreadPoolExecutor(3) as pool:
        threaded = list(pool.map(lambda seed: _many(head, 1, kind, seed), [*range(6)][::-1]))[::-1]
    for first, second in zip(alone, threaded, strict=True):
        assert torch.equal(first, second)
    assert torch.equal(head, before)
    assert len({one.numpy().tobytes() for one in alone}) == 6


@all_kinds
def test_augmented_image_keeps_shape_and_range(head: Tensor, kind: str) -> None:
    varied = _many(head, 40, kind)
    assert varied.shape == (40, 1, SIZE, SIZE)
    assert varied.dtype == torch.float32
    assert varied.min() >= 0
    assert varied.max() <= 1


def test_usual_variations_keep_the_head_to_be_seen(head: Tensor) -> None:
    shown = (_many(head, 60, "usual") > 0.12).float().mean((1, 2, 3)) / (head > 0.3).float().mean()
    assert ((shown > 0.6) & (shown < 1.6)).float().mean() > 0.9


def test_hospitals_turn_and_strip_slices_where_scanners_do_not() -> None:
    y, x = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    radius = np.hypot(x, y)
    image = np.select([radius < 0.7, radius < 0.9], [0.3, 1.0], 0.0)
    image[(radius < 0.7) & (y < -0.3)] = 0.8  # upright: what is bright lies above
    slices = torch.from_numpy(image[np.newaxis].astype(np.float32))
    upright, others = (
        [_up(varied.numpy()) for varied in _many(slices, 120, kind)] for kind in ("mri_physics", "mri_hospitals")
    )
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
    for size in (64, 128, 224):
        looks = chain_of("mri_hospitals", size).looks.transforms
        (coarse,) = [one for one in looks if hasattr(one, "zoom_range")]
        assert coarse.zoom_range == pytest.approx((min(1, 44 / size), min(1, 110 / size)))


def test_the_task_knows_its_kinds_and_refuses_others(head: Tensor) -> None:
    assert TASK.augmentations == (*CHAINS, *(f"{kind}{MONAI}" for kind in CHAINS))
    assert len({_many(head, 1, kind, 5).numpy().tobytes() for kind in CHAINS}) == len(CHAINS)
    with pytest.raises(ConfigError, match="unknown augmentation 'mri_hospital'; did you mean mri_hospitals"):
        TASK.augment(head[None], [4], "mri_hospital")


@kinds
def test_the_name_of_the_library_runs_the_library(head: Tensor, kind: str) -> None:
    chain = chain_of(kind, SIZE)
    found = _many(head, 8, f"{kind}{MONAI}")
    np.testing.assert_array_equal(found, np.stack([chain(head.numpy(), seed) for seed in range(8)]))


@all_kinds
def test_a_mask_follows_its_image_and_does_not_change_it(kind: str) -> None:
    """A slice whose bright square is its finding: the square stays the brightest part, and the mask lies on it."""
    image = np.zeros((1, 64, 64), dtype=np.float32)
    y, x = np.mgrid[:64, :64]
    image[0, np.hypot(y - 32, x - 32) < 28] = 0.4
    image[0, 20:30, 36:48] = 1.0
    mask = (image == 1.0).astype(np.float32)
    both = _many(torch.from_numpy(np.concatenate([image, mask])), 24, kind)
    assert both.shape == (24, 2, 64, 64)
    assert torch.equal(both[:, :1], _many(torch.from_numpy(image), 24, kind))
    overlaps = []
    for pixels, marked in both.numpy():
        assert (marked > 0.5).sum() > 40
        around = pixels[(marked == 0.0) & (pixels > 0.1)]
        overlaps.append(abs(pixels[marked > 0.5].mean() - around.mean()))
    assert np.median(overlaps) > 0.15
