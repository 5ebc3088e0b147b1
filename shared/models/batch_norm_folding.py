"""Folding of BatchNorm into convolutions, as the ONNX exporter does it, so that both networks hold the same weights."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


@torch.no_grad()
def fold_batch_norm(network: nn.Module, images: Tensor) -> int:
    """Folds each BatchNorm into the convolution before it; the network answers as before.

    What is left of a BatchNorm is its shift: mean 0, variance 1, and the scale that undoes the one for numerical
    stability. The exporter folds it once more, which changes no weight.

    Args:
        network: The network, in evaluation mode; it is changed in place.
        images: float32 [N, channels, size, size], images to find out which BatchNorm follows which convolution.

    Returns:
        Number of BatchNorms that were folded; one that follows anything but one convolution of its own stays.
    """
    pairs = _pairs(network, images)
    for convolution, norm in pairs:
        _fold(convolution, norm)
    return len(pairs)


@torch.no_grad()
def absorb_batch_norm(network: nn.Module, images: Tensor) -> None:
    """Takes each BatchNorm out of a network and puts it into the convolution before it; answers change by rounding.

    The exporter makes the same graph of such a network, in two thirds of the time.

    Args:
        network: The network, in evaluation mode; it is changed in place.
        images: As `fold_batch_norm` takes them.
    """
    pairs = _pairs(network, images)
    others: dict[nn.Module, nn.Module] = {
        convolution: fuse_conv_bn_eval(convolution, norm) for convolution, norm in pairs
    }
    others |= {norm: nn.Identity() for _, norm in pairs}
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if child in others:
                setattr(parent, name, others[child])


def _pairs(network: nn.Module, images: Tensor) -> list[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    """Each convolution with the one BatchNorm that takes its output, and that takes nothing else."""
    made: dict[int, tuple[nn.Conv2d, Tensor, int]] = {}
    follow, precede = defaultdict[nn.Module, list[nn.Module]](list), defaultdict[nn.Module, list[nn.Module]](list)

    def remember(module: nn.Conv2d, _: Any, output: Tensor) -> None:
        made[id(output)] = (module, output, output._version)  # the tensor is kept, lest another gets its id

    def match(module: nn.BatchNorm2d, inputs: tuple[Tensor, ...]) -> None:
        found = made.get(id(inputs[0]))
        if found is None or inputs[0]._version != found[2]:  # changed in place on its way
            precede[module].append(module)
            return
        follow[found[0]].append(module)
        precede[module].append(found[0])

    hooks = [one.register_forward_hook(remember) for one in network.modules() if isinstance(one, nn.Conv2d)]
    norms = [one for one in network.modules() if isinstance(one, nn.BatchNorm2d)]
    hooks += [one.register_forward_pre_hook(match) for one in norms]
    try:
        network(images)
    finally:
        for hook in hooks:
            hook.remove()
    found = []
    for norm in norms:
        before = precede[norm]
        if len(before) == 1 and isinstance(before[0], nn.Conv2d) and follow[before[0]] == [norm]:
            found.append((before[0], norm))
    return found


def _fold(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    """Moves scale and shift of a BatchNorm into the convolution's weights, and the rest of the shift into its bias."""
    if norm.running_mean is None or norm.running_var is None:
        return
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    shift = -norm.running_mean if convolution.bias is None else convolution.bias - norm.running_mean
    norm.bias.copy_(norm.bias + shift * scale)
    convolution.weight.mul_(scale.reshape(-1, 1, 1, 1))
    if convolution.bias is not None:
        convolution.bias.zero_()
    norm.running_mean.zero_()
    norm.running_var.fill_(1.0)
    norm.weight.copy_(torch.sqrt(norm.running_var + norm.eps))
