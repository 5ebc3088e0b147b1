"""A moving average of a network's weights: smoother than any step's, and better on what training did not see."""

from __future__ import annotations

from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from shared.models.network import Network

WARMUP = 10
"""Steps after which the average forgets as slowly as it may: a start in random weights must not be kept for long."""


def exponential_average(network: Network, decay: float) -> AveragedModel:
    """The average, to be told of each step by `update_parameters`; buffers (BatchNorm statistics) are the network's.

    Args:
        network: As it is now, which the average begins with.
        decay: What remains of the average at each step, 0 to 1, once so many steps have been taken.

    Source: Tarvainen & Valpola, NeurIPS 2017, equation 4, and their ramp-up of the decay; Cha et al., SWAD, NeurIPS
    2021, on averages under a change of domain.
    """

    def mean(average: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
        remains = min(decay, (1 + int(count)) / (WARMUP + int(count)))
        return average.lerp(current, 1.0 - remains) if average.is_floating_point() else current

    return AveragedModel(network, avg_fn=mean)
