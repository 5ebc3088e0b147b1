"""Statistics of BatchNorm, estimated anew on training images for weights that no step of training has met."""

from __future__ import annotations

import torch
from torch import nn

from shared.data.split import Split
from shared.models.network import Network
from shared.training.passes import images_at_once, stack_images


@torch.no_grad()
def estimate_statistics(network: Network, split: Split, device: torch.device) -> None:
    """Replaces the statistics of every BatchNorm by the means over batches of images, in one pass; weights stay.

    Args:
        network: The network, which is moved to `device` and left in evaluation mode.
        split: Training images, not augmented; where there are several batches, the last one is left out if it is
            smaller than the others.
        device: Device to compute on.

    Source: Izmailov et al., arXiv 1803.05407, section 3.2, for averaged weights.
    """
    network.to(device).eval()
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
        norm.train()
    count, size = len(split.samples), images_at_once(split)
    whole = max(count - count % size, min(count, size))
    for start in range(0, whole, size):
        network.features(stack_images(split, start, min(start + size, count), device))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()
