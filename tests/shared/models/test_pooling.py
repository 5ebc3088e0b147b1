from __future__ import annotations

import pytest
import torch
from torch.nn.functional import adaptive_avg_pool2d, adaptive_max_pool2d

from shared.models.pooling import POOLINGS, pool

SIZES = [(1, 1), (2, 3), (4, 4), (7, 7), (13, 8)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("cells", [1, 2, 3])
def test_a_grid_of_averages_is_adaptive_average_pooling(cells: int, size: tuple[int, int]) -> None:
    maps = torch.randn(2, 5, *size)
    torch.testing.assert_close(pool(maps, f"avg_{cells}x{cells}"), adaptive_avg_pool2d(maps, cells).flatten(1))


@pytest.mark.parametrize("size", SIZES)
def test_maximum_alone_and_joined_with_the_average(size: tuple[int, int]) -> None:
    maps = torch.randn(2, 5, *size)
    largest = adaptive_max_pool2d(maps, 1).flatten(1)
    assert torch.equal(pool(maps, "max_1x1"), largest)
    torch.testing.assert_close(pool(maps, "avg_max"), torch.cat([maps.mean((2, 3)), largest], dim=1))


@pytest.mark.parametrize("pooling", POOLINGS)
def test_vectors_pass_as_they_are(pooling: str) -> None:
    vectors = torch.randn(3, 6)
    assert torch.equal(pool(vectors, pooling), vectors)
