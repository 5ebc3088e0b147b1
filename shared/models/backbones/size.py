"""Size of a network by its record: parameters and operations, counted; and the time it takes, measured."""

from __future__ import annotations

import time
from dataclasses import dataclass

from shared.models.backbones.build import build_backbone
from shared.models.backbones.record import BackboneRecord

REPETITIONS = 5
"""Passes of which the shortest counts: others are disturbed by what else the machine does."""


@dataclass(frozen=True)
class NetworkSize:
    """What a backbone up to its default layer consists of.

    Attributes:
        parameters: Number of parameters.
        flops: Floating-point operations of one image at the usual input size; a multiply-add counts as two.
    """

    parameters: int
    flops: int


def size_of(record: BackboneRecord) -> NetworkSize:
    """Counts parameters and operations of a backbone up to its default layer, on tensors without values.

    Args:
        record: Record of the backbone.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"):
        backbone = build_backbone(record, layers=None, seed=0).eval()
        image = torch.empty(1, record.channels, record.input_size, record.input_size)
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            backbone(image)
    return NetworkSize(sum(one.numel() for one in backbone.parameters()), counter.get_total_flops())


def seconds_of(record: BackboneRecord) -> float:
    """Measures how long a backbone up to its default layer takes for one image on the CPU, with torch's threads.

    Args:
        record: Record of the backbone.

    Returns:
        Seconds of the shortest of `REPETITIONS` passes after one that is not counted.
    """
    import torch

    backbone = build_backbone(record, layers=None, seed=0).eval().to(memory_format=torch.channels_last)
    image = torch.zeros(1, record.channels, record.input_size, record.input_size)
    taken = []
    with torch.no_grad():
        backbone(image)
        for _ in range(REPETITIONS):
            started = time.perf_counter()
            backbone(image)
            taken.append(time.perf_counter() - started)
    return min(taken)
