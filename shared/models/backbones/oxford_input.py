"""The input of the Oxford networks, turned into the usual one: RGB in 0..1 with ImageNet's mean and deviation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.models.backbones.record import IMAGENET_MEAN, IMAGENET_STD

if TYPE_CHECKING:
    from torch import Tensor

OXFORD_MEAN = (123.68, 116.779, 103.939)
"""Mean of red, green and blue in 0..255 that these networks subtract. Source: Simonyan & Zisserman, arXiv 1409.1556;
their files `VGG_ILSVRC_16_layers`."""
WHITE = 255.0


def with_imagenet_input(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Turns convolutions for BGR in 0..255 less the Oxford means into those for RGB with ImageNet's mean and deviation.

    Exact but for the border: there the network pads with zeros, which are the mean, and the two means differ by up to
    0.5 of 255.

    Args:
        tensors: float [...] by name; the first is the kernel [width, 3, height, width] of the first convolution, the
            second its bias [width].

    Returns:
        The same names, with float32 in place of the first two.
    """
    import torch

    kernel_name, bias_name = list(tensors)[:2]
    mean, std, oxford = (torch.tensor(v, dtype=torch.float64) for v in (IMAGENET_MEAN, IMAGENET_STD, OXFORD_MEAN))
    kernel = tensors[kernel_name].double().flip(1)
    shift = torch.einsum("ochw,c->o", kernel, WHITE * mean - oxford)
    first = {
        kernel_name: (kernel * (WHITE * std).view(1, 3, 1, 1)).float(),
        bias_name: (tensors[bias_name].double() + shift).float(),
    }
    return {**tensors, **first}
