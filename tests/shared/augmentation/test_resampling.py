"""Resampling by matrices and shifts."""

from __future__ import annotations

import torch

from shared.augmentation.resampling import resample

SAME = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]


def test_whole_pixels_of_matrix_and_shifts_move_rows_and_columns() -> None:
    images = torch.rand(2, 1, 9, 9, generator=torch.Generator().manual_seed(0))
    shifts = torch.zeros(2, 2, 9, 9)
    shifts[1, 0], shifts[1, 1] = 1.0, -2.0
    found = resample(images, [[1.0, 0.0, 2.0, 0.0, 1.0, -1.0], SAME], shifts)
    torch.testing.assert_close(found[0, :, :-2, 1:], images[0, :, 2:, :-1])
    torch.testing.assert_close(found[1, :, :-1, 2:], images[1, :, 1:, :-2])
    assert found[0, :, -2:].abs().max() < 1e-5


def test_shifts_are_turned_by_the_matrix_that_follows() -> None:
    images = torch.rand(1, 1, 9, 9, generator=torch.Generator().manual_seed(0))
    shifts = torch.zeros(1, 2, 9, 9)
    shifts[:, 0] = 1.0
    quarter = [0.0, 1.0, 0.0, -1.0, 0.0, 0.0]
    turned = images.rot90(1, (2, 3))
    torch.testing.assert_close(resample(images, [quarter]), turned)
    torch.testing.assert_close(resample(images, [quarter], shifts)[:, :, :-1], turned[:, :, 1:])
