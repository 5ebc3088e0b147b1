"""The exponential moving average (EMA) of a network's weights."""

from __future__ import annotations

import weakref
from typing import cast

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from shared.models.network import Network

Tensors = tuple[Tensor, ...] | list[Tensor]
WARMUP = 10
"""Slows the rise of the decay, (1 + step) / (WARMUP + step) at most: the start, which is random, is soon forgotten."""


def exponential_average(network: Network, decay: float) -> AveragedModel:
    """Starts a moving average of a network's weights; call its `update_parameters(network)` after each step.

    Buffers, such as BatchNorm statistics, are copied from the network and not averaged.

    Args:
        network: The network whose present weights the average starts from.
        decay: Share of the average that remains at each step, 0..1, reached after a rise over the first steps.

    Source: Tarvainen & Valpola, NeurIPS 2017, equation 4, and their ramp-up of the decay; Cha et al., SWAD, NeurIPS
    2021, on averages under a change of domain.
    """

    def mean(averages: Tensors, currents: Tensors, _: Tensor | int) -> None:
        count = int(cast(AveragedModel, itself()).n_averaged)
        remains = min(decay, (1 + count) / (WARMUP + count))
        torch._foreach_lerp_(averages, currents, 1.0 - remains)

    average = AveragedModel(network, multi_avg_fn=mean)
    itself = weakref.ref(average)  # a cycle would keep its weights until the next garbage collection
    return average


def move_average(average: AveragedModel, device: torch.device) -> None:
    """Moves a moving average to a device, but for its count of steps: reading that would wait for the device."""
    average.to(device)
    average.n_averaged = average.n_averaged.cpu()
