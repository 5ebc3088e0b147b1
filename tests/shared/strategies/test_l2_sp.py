from __future__ import annotations

from pathlib import Path

import pytest
import torch

from shared.strategies._l2_sp import SourceParameters
from tests.shared.small_job import small_job


def test_the_pull_takes_rate_times_strength_of_the_way_back_and_never_more(tmp_path: Path) -> None:
    network = small_job(tmp_path).network
    pull = SourceParameters(network, {"block1": 2.0, "block2": 5.0, "block3": 1000.0, "block4": 0.0}, head=3.0)
    stages = network.backbone.stages
    sources = {stage: [one.detach().clone() for one in stages[stage].parameters()] for stage in stages}
    rates = {weight: 0.1 for stage in ("block1", "block3", "block4") for weight in stages[stage].parameters()}
    rates |= dict.fromkeys(network.head.parameters(), 0.01)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(1.0)
    heads = [weight.detach().clone() for weight in network.head.parameters()]
    pull.pull(network, rates)
    for stage, left in (("block1", 0.8), ("block2", 1.0), ("block3", 0.0), ("block4", 1.0)):  # block2 is frozen
        for weight, source in zip(stages[stage].parameters(), sources[stage], strict=True):
            torch.testing.assert_close(weight.detach() - source, torch.full_like(source, left), atol=1e-5, rtol=0)
    for weight, before in zip(network.head.parameters(), heads, strict=True):
        torch.testing.assert_close(weight.detach(), 0.97 * before)


@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_the_size_of_the_loss_does_not_change_the_pull(tmp_path: Path, scale: float) -> None:
    """A penalty in the loss would lose against a large gradient, for Adam divides both by its size."""
    network = small_job(tmp_path).network
    weight = network.backbone.stages["block1"][0].weight
    pull, source = SourceParameters(network, {"block1": 100.0}, head=0.0), weight.detach().clone()
    optimiser = torch.optim.AdamW([weight], lr=1e-3, weight_decay=0.0)
    for _ in range(200):
        weight.grad = torch.full_like(weight, scale)
        optimiser.step()
        pull.pull(network, {weight: 1e-3})
    # a step of Adam goes one rate far, and the pull balances it at (1 - rate * strength) / strength
    torch.testing.assert_close(weight.detach() - source, torch.full_like(source, -0.009), atol=1e-5, rtol=0)


def test_the_source_is_in_no_checkpoint_and_learns_nothing(tmp_path: Path) -> None:
    pull = SourceParameters(small_job(tmp_path).network, {"block1": 1.0}, head=0.1)
    assert pull.state_dict() == {}
    assert list(pull.parameters()) == []
