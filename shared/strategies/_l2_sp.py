"""L2-SP: a pull of a network's parameters towards those of the source."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from shared.models.network import Network


class SourceParameters(nn.Module):
    """The L2-SP pull: the backbone's parameters go back towards the source, and those of the head towards 0.

    It acts after a step of the optimiser, as AdamW's weight decay does, and not through the loss: Adam divides each
    gradient by its usual size, so that a penalty in the loss weighs little on weights that the loss moves much.
    The source's parameters are copied when this is made. They are not part of its state, and so are in no checkpoint.

    Args:
        network: The network with the weights of the source, before it is trained.
        strengths: Strength of the pull (alpha) by stage, 0 or more; 0: the stage is free.
        head: Strength of the pull on the head (beta), 0 or more.

    Source: Li, Grandvalet & Davoine, arXiv 1802.01483, equation 4 (alpha by stage, beta of the head), decoupled from
    the loss as weight decay is by Loshchilov & Hutter, arXiv 1711.05101, algorithm 2.
    """

    def __init__(self, network: Network, strengths: Mapping[str, float], head: float) -> None:
        super().__init__()
        self.strengths, self.head = {name: value for name, value in strengths.items() if value}, head
        for stage in self.strengths:
            for name, parameter in network.backbone.stages[stage].named_parameters():
                self.register_buffer(_buffer(stage, name), parameter.detach().clone(), persistent=False)

    @torch.no_grad()
    def pull(self, network: Network, rates: Mapping[nn.Parameter, float]) -> None:
        """Takes each parameter back by rate times strength of its distance, and never beyond the source.

        Args:
            network: The network that is trained; its parameters are changed in place.
            rates: Learning rate of each parameter that is trained; others stay.
        """
        for parameter in network.head.parameters():
            parameter.mul_(1 - min(1.0, rates.get(parameter, 0.0) * self.head))
        for stage, strength in self.strengths.items():
            for name, parameter in network.backbone.stages[stage].named_parameters():
                share = min(1.0, rates.get(parameter, 0.0) * strength)
                parameter.lerp_(self.get_buffer(_buffer(stage, name)), share)


def _buffer(stage: str, name: str) -> str:
    """Makes the name of the buffer for a parameter; names of buffers may hold no dots."""
    return f"{stage}.{name}".replace(".", "/")
