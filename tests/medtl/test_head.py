"""What is measured of an image in a reduced copy, once for all who ask."""

from __future__ import annotations

import gc

import numpy as np

from medtl import head
from medtl.head import reduced_copy
from shared.io.grey import percentile

PIXELS = np.random.default_rng(3).gamma(2.0, 50.0, (200, 180)).astype(np.float32)


def test_image_that_cannot_be_written_to_is_measured_once() -> None:
    fixed = PIXELS.copy()
    fixed.setflags(write=False)
    assert reduced_copy(fixed) is reduced_copy(fixed)
    assert reduced_copy(fixed.copy()) is not reduced_copy(fixed)


def test_image_that_can_change_is_measured_anew() -> None:
    pixels = PIXELS.copy()
    before = reduced_copy(pixels).threshold
    pixels *= 2
    after = reduced_copy(pixels).threshold
    assert before is not None
    assert after is not None
    assert after > before


def test_copies_go_with_their_images() -> None:
    gc.collect()
    kept = len(head._copies)
    images = [PIXELS.copy() for _ in range(3)]
    for image in images:
        image.setflags(write=False)
        reduced_copy(image)
    assert len(head._copies) == kept + 3
    del images, image
    assert len(head._copies) == kept


def test_ordered_head_has_the_values_of_the_head() -> None:
    copy = reduced_copy(PIXELS)
    assert np.array_equal(copy.ordered_head, np.sort(copy.pixels[copy.head]))
    assert percentile(copy.ordered, 99) == np.percentile(copy.pixels, 99)


def test_constant_image_has_no_head() -> None:
    copy = reduced_copy(np.ones((200, 200), np.float32))
    assert copy.threshold is None
    assert not copy.head.any()
    assert not len(copy.ordered_head)
