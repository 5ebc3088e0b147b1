"""Skull stripping as augmentation."""

from __future__ import annotations

import numpy as np
import pytest

from medtl.strip import MIN_HEAD, RIM, RandStripSkull, without_rim

SIZE = 96


def _head(radius: float = 0.85, centre: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """Brain (0.4) with a bright spot in dark bone, below a bright scalp; float32 [96, 96]."""
    y, x = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    depth = np.hypot(x - centre[1], (y - centre[0])) / radius
    image = np.select([depth < 0.82, depth < 0.9, depth < 1.0], [0.4, 0.05, 1.0], 0.0)
    image[np.hypot(x - centre[1] - 0.2, y - centre[0]) < 0.1] = 0.6
    return image.astype(np.float32)


def _stripped(image: np.ndarray, seed: int = 0) -> np.ndarray:
    return np.asarray(RandStripSkull(prob=1.0).set_random_state(seed=seed)(image[np.newaxis]))[0]


def test_scalp_goes_brain_fills_the_picture_and_its_brightness() -> None:
    whole, stripped = _head(), _stripped(_head())
    assert stripped.shape == whole.shape
    assert stripped.dtype == np.float32
    assert stripped.max() == pytest.approx(1.0)  # the spot is the brightest part now
    shown = np.flatnonzero((stripped > 0.1).any(axis=0))
    assert shown[-1] - shown[0] + 1 == pytest.approx(SIZE / 1.1, abs=2)
    assert np.median(stripped[stripped > 0.1]) == pytest.approx(0.4 / 0.6, abs=0.02)


def test_the_rim_is_as_wide_as_asked_and_the_inside_is_untouched() -> None:
    for rim in RIM:
        kept = without_rim(_head(), rim)
        assert kept is not None
        radius = np.sqrt(kept.sum() / np.pi)
        whole = 0.85 * SIZE / 2
        assert whole - radius == pytest.approx(rim * np.sqrt(np.pi) * whole, abs=1.0)
        assert kept[SIZE // 2, SIZE // 2]


def test_a_head_near_an_edge_is_not_joined_to_it() -> None:
    middle, near = without_rim(_head(0.7), 0.1), without_rim(_head(0.7, (0.28, 0.0)), 0.1)
    assert middle is not None
    assert near is not None
    assert near.sum() == pytest.approx(middle.sum(), rel=0.02)


@pytest.mark.parametrize("image", [np.zeros((SIZE, SIZE), np.float32), _head(np.sqrt(MIN_HEAD) / 2), _head() * 0.1])
def test_what_shows_too_little_head_stays_whole(image: np.ndarray) -> None:
    assert without_rim(image, RIM[0]) is None
    np.testing.assert_array_equal(_stripped(image), image)


def test_a_rim_that_would_leave_too_little_is_not_removed() -> None:
    assert without_rim(_head(), 0.3) is None


def test_a_share_of_the_slices_is_stripped_and_the_rim_varies() -> None:
    strip = RandStripSkull().set_random_state(seed=0)
    whole = _head()[np.newaxis]
    found = [np.asarray(strip(whole)) for _ in range(200)]
    stripped = [one for one in found if not np.array_equal(one, whole)]
    assert 0.15 < len(stripped) / 200 < 0.35
    assert len({one.tobytes() for one in stripped}) > 5


def test_a_mask_is_cut_out_as_its_image_is() -> None:
    whole = _head()
    spot = (whole > 0.5) & (whole < 0.7)
    image, mask = RandStripSkull(prob=1.0).set_random_state(seed=0)(np.stack([whole, spot.astype(np.float32)]))
    assert mask.sum() > 1.1 * spot.sum()  # enlarged with the brain
    assert image[mask > 0.9].min() > 0.9  # and where the spot is, the brightest part now


def test_a_slice_whose_finding_would_go_with_the_rim_stays_whole() -> None:
    scalp = (_head() > 0.9).astype(np.float32)
    both = np.stack([_head(), scalp])
    np.testing.assert_array_equal(RandStripSkull(prob=1.0).set_random_state(seed=0)(both), both)
