from __future__ import annotations

import numpy as np

from handwriting.scenes import shown
from handwriting.transforms import preprocess
from shared.task import Image, Preprocessing


def letter() -> Image:
    """A letter-like shape as the network sees it: headline, stem and a bow."""
    ink = np.zeros((60, 60), dtype=np.float32)
    ink[8:14, 6:54] = ink[8:54, 36:42] = ink[30:36, 14:38] = 255
    return preprocess(ink, Preprocessing(32))


def test_a_scene_is_a_pure_function_of_image_and_seed() -> None:
    image = letter()
    before, state = image.copy(), np.random.get_state()[1].copy()
    forth = [shown(image, seed) for seed in range(12)]
    back = [shown(image, seed) for seed in reversed(range(12))][::-1]
    np.testing.assert_array_equal(forth, back)
    assert len({one.tobytes() for one in forth}) > 6  # a quarter stays as it is
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(np.random.get_state()[1], state)


def test_a_scene_still_shows_the_character() -> None:
    image = letter()
    found = np.stack([shown(image, seed) for seed in range(200)])
    assert (found.dtype, found.shape) == (np.float32, (200, 1, 32, 32))
    assert found.min() >= 0.0
    assert found.max() <= 1.0
    assert correlation(found.mean(axis=0), image) > 0.6
    # read in its frame: the ink reaches the margin and not beyond it
    assert found[:, :, :2].max() == found[..., 30:].max() == 0.0


def test_the_pen_varies() -> None:
    ink = [float((shown(letter(), seed) > 0.5).mean()) for seed in range(100)]
    low, high = np.quantile(ink, [0.1, 0.9])
    assert high > 1.6 * low


def test_what_holds_no_ink_comes_back_as_it_is() -> None:
    blank = np.zeros((1, 32, 32), dtype=np.float32)
    for seed in range(20):
        assert np.isfinite(shown(blank, seed)).all()


def correlation(first: Image, second: Image) -> float:
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])
