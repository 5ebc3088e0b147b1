"""The cost of a training, counted before it is run: it decides whether validation in reverse is cheap."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from shared.training.job import Job
from shared.training.passes import stack_images

CHEAP_OPERATIONS = 1e14
"""Most floating-point operations of a training that counts as cheap: an hour or two of one CPU core.

Source: about 2e10 operations a second, by `benchmarks.adaptation_words` (docs/lab-log.md, "Rules that choose without
labels"). The limit is high because the rules that need no training in reverse kept a loss there. Counted and not timed,
so that the same data and configuration always get the same rule.
"""
PASSES = 3
"""Operations of a training step, in those of the forward pass alone: the backward pass takes about twice as many.

Source: Kaplan et al., arXiv 2001.08361, section 2.1.
"""


@torch.no_grad()
def training_operations(job: Job, options: Any) -> float:
    """Counts the floating-point operations of a training: all images of source and target, in all epochs.

    Args:
        job: The training; its network is left as it was.
        options: Options of the strategy; without `phases` it counts as one epoch.
    """
    was_training = job.network.training
    job.network.eval()
    device = next(job.network.parameters()).device
    with FlopCounterMode(display=False) as counter:
        job.network(stack_images(job.train, 0, 1, device))
    job.network.train(was_training)
    images = len(job.train.samples) + (0 if job.target is None else len(job.target.train.samples))
    epochs = sum(phase.epochs for phase in getattr(options, "phases", ())) or 1
    return float(PASSES * counter.get_total_flops() * images * epochs)


def is_cheap(job: Job, options: Any) -> bool:
    """Whether a training takes so few operations that it can be run once more, in reverse.

    Args:
        job: The training.
        options: Options of the strategy.
    """
    return training_operations(job, options) <= CHEAP_OPERATIONS
