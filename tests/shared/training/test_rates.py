from __future__ import annotations

import pytest
import torch
from torch import nn

from shared.training.rates import multiplier, parameter_groups, ramp


def test_warm_up_rises_to_the_peak_and_cosine_falls_to_nothing() -> None:
    factors = [multiplier(step, 100, shape="cosine", warmup=0.1) for step in range(100)]
    assert factors[:10] == sorted(factors[:10])
    assert factors[0] > 0
    assert factors[10] == pytest.approx(1.0)
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[-1] < 0.001


def test_cosine_is_half_in_the_middle() -> None:
    assert multiplier(50, 100, shape="cosine") == pytest.approx(0.5)


def test_constant_and_linear() -> None:
    assert [multiplier(step, 4, shape="constant") for step in range(4)] == [1.0] * 4
    assert [multiplier(step, 4, shape="linear") for step in range(4)] == [1.0, 0.75, 0.5, 0.25]


def test_a_phase_of_one_step_takes_the_full_rate() -> None:
    assert multiplier(0, 1, shape="cosine", warmup=0.1) == 1.0


def test_annealed_rates_and_ramp_are_those_of_the_paper() -> None:
    assert [multiplier(step, 4, shape="annealed") for step in (0, 2)] == pytest.approx([1.0, 6.0**-0.75])
    assert ramp(0.0) == 0.0
    assert ramp(0.1) == pytest.approx(0.46212, abs=1e-5)
    assert ramp(1.0) == pytest.approx(0.99991, abs=1e-5)


def test_weight_decay_acts_on_matrices_and_kernels_not_on_vectors_or_embeddings() -> None:
    stage = nn.Sequential(nn.Linear(2, 3), nn.Conv2d(1, 1, 1))
    stage.register_parameter("pos_embed", nn.Parameter(torch.zeros(1, 5, 2)))
    groups = parameter_groups(
        nn.ModuleDict({"embedding": stage}),
        {},
        ["embedding"],
        lr_head=1.0,
        lr_backbone=1.0,
        lr_decay=1.0,
        weight_decay=0.1,
    )
    shapes = {group["weight_decay"]: {tuple(one.shape) for one in group["params"]} for group in groups}
    assert shapes == {0.1: {(3, 2), (1, 1, 1, 1)}, 0.0: {(3,), (1,), (1, 5, 2)}}
