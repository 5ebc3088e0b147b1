"""The moving average of weights."""

from __future__ import annotations

import pytest
import torch

from shared.models.backbones.build import build_backbone
from shared.models.network import Network, feature_width
from shared.training.ema import MovingAverage


@pytest.fixture
def network() -> Network:
    backbone = build_backbone("convnet_small", layers=None, seed=0)
    layers = list(backbone.stages)[-1:]
    return Network(backbone, layers, "avg_1x1", feature_width(backbone, layers, "avg_1x1", 1, 32), 2)


def _bias(network: torch.nn.Module) -> float:
    return float(network.head.bias[0].detach())  # type: ignore[union-attr, index]


def test_average_follows_slowly_and_forgets_its_start(network: Network) -> None:
    average = MovingAverage(network, 0.9)
    steps = 400  # beyond the ramp-up
    for step in range(steps):
        with torch.no_grad():
            network.head.bias.fill_(1.0 if step >= steps // 2 else -1.0)
        average.update_parameters(network)
        if step == steps // 2 - 1:
            assert _bias(average.module) == pytest.approx(-1.0, abs=0.02)
        if step == steps // 2:
            assert _bias(average.module) == pytest.approx(-0.8, abs=0.03)
    assert _bias(average.module) == pytest.approx(1.0, abs=0.02)


def test_the_network_itself_is_not_touched(network: Network) -> None:
    average = MovingAverage(network, 0.5)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():
        for parameter in average.module.parameters():
            parameter.add_(1.0)
    average.update_parameters(network)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])
