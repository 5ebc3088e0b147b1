"""The exponential moving average (EMA) of a network's weights."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn

from shared.models.network import Network

WARMUP = 10
"""Slows the rise of the decay, (1 + step) / (WARMUP + step) at most: the start, which is random, is soon forgotten."""


class MovingAverage(nn.Module):
    """A moving average of a network's weights; buffers, such as BatchNorm statistics, are copied and not averaged.

    No step waits for a GPU.

    Attributes:
        module: The network with the averaged weights.

    Args:
        network: The network whose present weights the average starts from.
        decay: Share of the average that remains at each step, 0..1, reached after a rise over the first steps.

    Source: Tarvainen & Valpola, NeurIPS 2017, equation 4, and their ramp-up of the decay; Cha et al., SWAD, NeurIPS
    2021, on averages under a change of domain.
    """

    def __init__(self, network: Network, decay: float) -> None:
        super().__init__()
        self.module, self._decay, self._steps = deepcopy(network), decay, 0

    def forward(self, images: Tensor) -> Tensor:
        """Computes the class logits of the averaged network, float32 [N, classes], of images as the network takes."""
        logits: Tensor = self.module(images)
        return logits

    def get_extra_state(self) -> Tensor:
        """Returns the number of steps, int64 on the CPU: of a buffer on a device it would have to be waited for."""
        return torch.tensor(self._steps)

    def set_extra_state(self, state: Tensor) -> None:
        """Takes over the number of steps."""
        self._steps = int(state)

    @torch.no_grad()
    def update_parameters(self, network: Network) -> None:
        """Moves the average towards the weights of the network, which lies on the same device; to be called each step.

        Args:
            network: The network, after the step.
        """
        remains = min(self._decay, (1 + self._steps) / (WARMUP + self._steps))
        averages, currents = ([weight.detach() for weight in one.parameters()] for one in (self.module, network))
        if self._steps:
            torch._foreach_lerp_(averages, currents, 1.0 - remains)
        else:
            torch._foreach_copy_(averages, currents)
        for own, other in zip(self.module.buffers(), network.buffers(), strict=True):
            own.copy_(other)
        self._steps += 1
