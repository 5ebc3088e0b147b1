from __future__ import annotations

from dataclasses import replace

import numpy as np

from shared.training.augmented import Augmented, one_by_one
from tests.shared.small_job import small_split


def _moved(image: np.ndarray, seed: int) -> np.ndarray:
    return np.roll(image, seed % 7 + 1, axis=2)


def test_a_mask_moves_with_its_image() -> None:
    split = small_split(4, 0)
    masks = [image[0] > 0.9 for image in split.images]
    found = Augmented(replace(split, masks=masks), None, one_by_one(_moved), 0)[[(0, 0, 1)]][0][0].numpy()
    assert found.shape == (2, 16, 16)
    assert masks[1].any()
    assert np.array_equal(found[0] > 0.9, found[1] == 1.0)
    assert not np.array_equal(found[1] == 1.0, masks[1])


def test_a_mask_that_is_not_known_is_empty_and_without_masks_there_is_no_channel() -> None:
    split = small_split(4, 0)
    unknown = Augmented(replace(split, masks=[None] * 4), None, None, 0)
    assert unknown[[(0, 0, 1)]][0][0, 1].sum() == 0
    assert Augmented(split, None, None, 0)[[(0, 0, 1)]][0].shape == (1, 1, 16, 16)


def test_unlabelled_images_come_as_they_are_too_where_that_is_asked() -> None:
    split, beside = small_split(4, 0), small_split(3, 1)
    keys = [(0, 0, place) for place in (3, 0, 6, 4)]
    images, _, _, plain = Augmented(split, beside, one_by_one(_moved), 0, plain=True)[keys]
    assert plain is not None
    assert np.array_equal(plain.numpy(), np.stack([beside.images[2], beside.images[0]]))
    assert not np.array_equal(images[2:].numpy(), plain.numpy())
    assert Augmented(split, beside, one_by_one(_moved), 0)[keys][3] is None
