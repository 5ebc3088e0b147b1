"""Where the parameters of a network began, and what it costs to leave that place."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from shared.models.network import Network


class SourceParameters(nn.Module):
    """L2-SP: parameters of the backbone are drawn to those of the source, the new head to 0.

    The source's parameters are not part of this module's state, and so in no checkpoint: they are those of the network
    when this is made.

    Args:
        network: With the weights of the source, before it is trained.
        strengths: By stage; 0 where a stage is free.
        head: Strength on the head, whose source is 0.

    Source: Li, Grandvalet & Davoine, arXiv 1802.01483, equation 4 (alpha by stage, beta of the head).
    """

    def __init__(self, network: Network, strengths: Mapping[str, float], head: float) -> None:
        super().__init__()
        self.strengths, self.head = {name: value for name, value in strengths.items() if value}, head
        for stage in self.strengths:
            for name, parameter in network.backbone.stages[stage].named_parameters():
                self.register_buffer(_buffer(stage, name), parameter.detach().clone(), persistent=False)

    def forward(self, network: Network) -> Tensor:
        """The sum of strength / 2 times the squared distance, a scalar."""
        total = 0.5 * self.head * sum(p.square().sum() for p in network.head.parameters())
        for stage, strength in self.strengths.items():
            named = network.backbone.stages[stage].named_parameters()
            # a frozen parameter lies where it began
            moved = [(p - self.get_buffer(_buffer(stage, n))).square().sum() for n, p in named if p.requires_grad]
            total = total + 0.5 * strength * sum(moved, torch.zeros((), device=network.head.weight.device))
        return torch.as_tensor(total)


def _buffer(stage: str, name: str) -> str:
    """Names of buffers hold no dots."""
    return f"{stage}.{name}".replace(".", "/")
