from __future__ import annotations

from pathlib import Path

import pytest
import torch

from shared.strategies._l2_sp import SourceParameters
from tests.shared.small_job import small_job


def test_the_pull_is_half_the_strength_times_the_squared_distance_of_each_stage(tmp_path: Path) -> None:
    network = small_job(tmp_path).network
    with torch.no_grad():
        for parameter in network.head.parameters():
            parameter.fill_(0.5)
    pull = SourceParameters(network, {"block1": 0.2, "block3": 3.0, "block4": 0.0}, head=0.01)
    head_size = sum(p.numel() for p in network.head.parameters())
    assert pull(network).item() == pytest.approx(0.5 * 0.01 * 0.25 * head_size)
    shifts = {"block1": 0.1, "block2": 7.0, "block3": -0.2, "block4": 5.0}
    with torch.no_grad():
        for stage, shift in shifts.items():
            for parameter in network.backbone.stages[stage].parameters():
                parameter.add_(shift)
    counts = {stage: sum(p.numel() for p in network.backbone.stages[stage].parameters()) for stage in shifts}
    expected = 0.005 * 0.25 * head_size + 0.1 * 0.01 * counts["block1"] + 1.5 * 0.04 * counts["block3"]
    assert pull(network).item() == pytest.approx(expected, rel=1e-4)


def test_its_gradient_is_strength_times_the_way_back_to_the_source(tmp_path: Path) -> None:
    network = small_job(tmp_path).network
    weight = network.backbone.stages["block2"][0].weight
    source = weight.detach().clone()
    pull = SourceParameters(network, {"block2": 0.3}, head=0.0)
    with torch.no_grad():
        weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(0)))
    pull(network).backward()
    torch.testing.assert_close(weight.grad, 0.3 * (weight.detach() - source))
    assert network.backbone.stages["block1"][0].weight.grad is None


def test_the_source_is_in_no_checkpoint_and_learns_nothing(tmp_path: Path) -> None:
    pull = SourceParameters(small_job(tmp_path).network, {"block1": 1.0}, head=0.1)
    assert pull.state_dict() == {}
    assert list(pull.parameters()) == []
