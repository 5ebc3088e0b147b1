"""L2-SP: a penalty on the distance of a network's parameters from those of the source."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from shared.models.network import Network


class SourceParameters(nn.Module):
    """The L2-SP penalty: squared distance of the backbone's parameters from the source, and of the head's from 0.

    The source's parameters are copied when this is made. They are not part of its state, and so are in no checkpoint.

    Args:
        network: The network with the weights of the source, before it is trained.
        strengths: Strength of the penalty (alpha) by stage, 0 or more; 0: the stage is free.
        head: Strength of the penalty on the head (beta), 0 or more.

    Source: Li, Grandvalet & Davoine, arXiv 1802.01483, equation 4 (alpha by stage, beta of the head).
    """

    def __init__(self, network: Network, strengths: Mapping[str, float], head: float) -> None:
        super().__init__()
        self.strengths, self.head = {name: value for name, value in strengths.items() if value}, head
        for stage in self.strengths:
            for name, parameter in network.backbone.stages[stage].named_parameters():
                self.register_buffer(_buffer(stage, name), parameter.detach().clone(), persistent=False)

    def forward(self, network: Network) -> Tensor:
        """Computes the penalty on the present parameters of `network`, a scalar.

        It is the sum of strength / 2 times the squared distance: of each stage's parameters from those of the source
        network, and of the head's parameters from zero. Frozen parameters of the backbone add nothing.
        """
        total = 0.5 * self.head * sum(p.square().sum() for p in network.head.parameters())
        for stage, strength in self.strengths.items():
            named = network.backbone.stages[stage].named_parameters()
            # a frozen parameter lies where it began
            moved = [(p - self.get_buffer(_buffer(stage, n))).square().sum() for n, p in named if p.requires_grad]
            total = total + 0.5 * strength * sum(moved, torch.zeros((), device=network.head.weight.device))
        return torch.as_tensor(total)


def _buffer(stage: str, name: str) -> str:
    """Makes the name of the buffer for a parameter; names of buffers may hold no dots."""
    return f"{stage}.{name}".replace(".", "/")
