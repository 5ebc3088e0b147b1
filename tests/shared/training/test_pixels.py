from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from shared.training.augmented import Augmented
from shared.training.pixels import DevicePixels, batches_on, stacked
from tests.shared.small_job import small_split

CPU = torch.device("cpu")


def test_batches_come_in_order_whatever_their_size() -> None:
    images = small_split(7, 0).images
    batches = list(batches_on(CPU, images, [6, 0, 3, 2, 5], 2))
    assert [rows for rows, _ in batches] == [[6, 0], [3, 2], [5]]
    assert torch.equal(torch.cat([part for _, part in batches]), stacked(images, [6, 0, 3, 2, 5]))


@pytest.mark.parametrize("moved", [1, 1 << 28])
def test_images_and_masks_that_lie_on_a_device_are_those_that_are_read(
    moved: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.training.pixels.MOVED_BYTES", moved)
    split, beside = small_split(4, 0), small_split(3, 1)
    masks = [None, *(image[0] > 0.9 for image in split.images[1:])]
    split = replace(split, masks=masks)
    keys = [(0, 0, place) for place in (3, 0, 1, 6, 4)]
    pixels = [DevicePixels(one, CPU) for one in (split, beside)]
    read, kept = (
        Augmented(split, beside, lambda images, _: 1 - images, 0, one, plain=True)[keys] for one in (None, pixels)
    )
    assert read[0][2, 1].any()
    for one, other in zip(read, kept, strict=True):
        assert one is not None
        assert torch.equal(one, other)
    assert DevicePixels.bytes_of(split) == 4 * 16 * 16 * (4 + 1)
