from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from shared.models.batch_norm_folding import absorb_batch_norm, fold_batch_norm


def _lively(network: nn.Module) -> nn.Module:
    """With statistics and scales that differ by channel."""
    generator = torch.Generator().manual_seed(0)
    for one in network.modules():
        if isinstance(one, nn.BatchNorm2d):
            for tensor in (one.weight.data, one.running_var, one.bias.data, one.running_mean):
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.2)
    return network.eval()


class _Branches(nn.Module):
    """Two BatchNorms behind one convolution, and one behind an activation in place."""

    def __init__(self) -> None:
        super().__init__()
        self.shared, self.changed = nn.Conv2d(1, 4, 3), nn.Conv2d(1, 4, 3)
        self.one, self.other, self.behind = nn.BatchNorm2d(4), nn.BatchNorm2d(4), nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.shared(images)
        return self.one(maps) + self.other(maps) + self.behind(self.relu(self.changed(images)))


@pytest.mark.parametrize("bias", [True, False])
def test_a_folded_network_answers_as_before_and_keeps_only_the_shift(bias: bool) -> None:
    network = _lively(nn.Sequential(nn.Conv2d(1, 6, 3, bias=bias), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 2, 1)))
    images = torch.rand(2, 1, 8, 8)
    before = network(images)
    assert fold_batch_norm(network, images) == 1
    assert torch.allclose(network(images), before, atol=1e-5)
    norm = network[1]
    assert isinstance(norm, nn.BatchNorm2d)
    assert torch.equal(norm.running_mean, torch.zeros(6))
    assert torch.equal(norm.weight / torch.sqrt(norm.running_var + norm.eps), torch.ones(6))


def test_a_batch_norm_that_does_not_follow_a_convolution_of_its_own_stays() -> None:
    network, images = _lively(_Branches()), torch.rand(2, 1, 8, 8)
    before = network(images)
    assert fold_batch_norm(network, images) == 0
    assert torch.equal(network(images), before)


def test_an_absorbed_batch_norm_is_gone_and_the_answers_stay() -> None:
    network = _lively(nn.Sequential(nn.Conv2d(1, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU(), _Branches()))
    network[3].shared, network[3].changed = nn.Conv2d(6, 4, 3), nn.Conv2d(6, 4, 3)
    images = torch.rand(2, 1, 9, 9)
    before = network(images)
    absorb_batch_norm(network, images)
    assert torch.allclose(network(images), before, atol=1e-5)
    assert sum(isinstance(one, nn.BatchNorm2d) for one in network.modules()) == 3, "those of the branches stay"
