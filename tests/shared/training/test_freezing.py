from __future__ import annotations

import pytest
import torch
from torch import nn

from shared.errors import ConfigError
from shared.training.freezing import (
    DomainBatchNormOption,
    batch_norm_policy,
    resolve_stages,
    set_mode,
    set_trainable,
)
from shared.training.rates import parameter_groups

STAGES = ("stem", "middle", "top")


def _network() -> tuple[nn.ModuleDict, nn.Module]:
    stages = nn.ModuleDict({name: nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1)) for name in STAGES})
    return stages, nn.Linear(1, 2)


def _forward(stages: nn.ModuleDict, head: nn.Module) -> torch.Tensor:
    x = torch.rand(4, 1, 3, 3)
    for stage in stages.values():
        x = stage(x)
    return head(x.mean(dim=(2, 3)))


def test_rules_name_stages_in_network_order() -> None:
    assert resolve_stages("all", STAGES) == STAGES
    assert resolve_stages("none", STAGES) == ()
    assert resolve_stages("last:2", STAGES) == ("middle", "top")
    assert resolve_stages(["top", "stem"], STAGES) == ("stem", "top")


@pytest.mark.parametrize("rule", ["last:0", "last:9", "last:x", "first", ["stern"]])
def test_the_refusal_of_a_wrong_rule_lists_what_is_allowed(rule: str | list[str]) -> None:
    with pytest.raises(ConfigError, match=r"last:3|stem, middle, top"):
        resolve_stages(rule, STAGES)


def test_frozen_stages_keep_weights_and_statistics_and_the_rest_moves() -> None:
    stages, head = _network()
    set_trainable(stages, head, ["top"])
    set_mode(stages, head, ["top"], "train")
    before = {name: value.clone() for name, value in stages.state_dict().items()}
    groups = parameter_groups(
        stages, {"head": head}, ["top"], lr_head=0.1, lr_backbone=0.1, lr_decay=1.0, weight_decay=0.1
    )
    optimiser = torch.optim.AdamW(groups)
    for _ in range(3):
        optimiser.zero_grad()
        _forward(stages, head).square().sum().backward()
        optimiser.step()
    moved = {name for name, value in stages.state_dict().items() if not torch.equal(value, before[name])}
    assert {name.split(".")[0] for name in moved} == {"top"}
    assert "top.1.running_mean" in moved
    assert "top.0.weight" in moved


def test_freeze_stats_keeps_statistics_of_batch_norm_while_its_scale_learns() -> None:
    stages, head = _network()
    set_trainable(stages, head, STAGES)
    set_mode(stages, head, STAGES, "freeze_stats")
    before = stages["top"][1].running_mean.clone()
    _forward(stages, head).sum().backward()
    assert torch.equal(stages["top"][1].running_mean, before)
    assert stages["top"][1].weight.requires_grad


def test_rates_fall_towards_the_input() -> None:
    stages, head = _network()
    set_trainable(stages, head, ["middle", "top"])
    groups = parameter_groups(
        stages, {"head": head}, ["middle", "top"], lr_head=1.0, lr_backbone=0.1, lr_decay=0.5, weight_decay=0.01
    )
    rates = {group["name"]: group["lr"] for group in groups}
    assert rates == {"head": 1.0, "top": 0.1, "middle": 0.05}
    assert all(group["weight_decay"] == 0.0 for group in groups if group["params"][0].ndim <= 1)
    assert {id(p) for g in groups for p in g["params"]} == {
        id(p) for m in (head, stages["middle"], stages["top"]) for p in m.parameters()
    }


def test_freeze_all_keeps_scale_and_shift_of_batch_norm_too_and_the_rest_learns() -> None:
    stages, head = _network()
    set_trainable(stages, head, STAGES, "freeze_all")
    set_mode(stages, head, STAGES, "freeze_all")
    before = {name: value.clone() for name, value in stages["top"][1].state_dict().items()}
    groups = parameter_groups(
        stages, {"head": head}, STAGES, lr_head=0.1, lr_backbone=0.1, lr_decay=1.0, weight_decay=0.1
    )
    kernel = stages["top"][0].weight.detach().clone()
    _forward(stages, head).square().sum().backward()
    torch.optim.AdamW(groups).step()
    assert all(torch.equal(value, before[name]) for name, value in stages["top"][1].state_dict().items())
    assert not torch.equal(stages["top"][0].weight, kernel)


@pytest.mark.parametrize(
    ("option", "folded", "policy"),
    [
        ("auto", True, "freeze_stats"),
        ("auto", False, "train"),
        ("train", True, "train"),
        ("freeze_all", False, "freeze_all"),
    ],
)
def test_statistics_stay_where_batch_norm_was_folded_and_nothing_else_was_said(
    option: DomainBatchNormOption, folded: bool, policy: str
) -> None:
    assert batch_norm_policy(option, folded=folded) == policy
