"""Trunk of PP-OCRv6's small text recogniser, as a torch network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

STAGES: tuple[tuple[int, int, frozenset[int]], ...] = (
    (96, 3, frozenset({0})),
    (192, 7, frozenset({1, 3, 5})),
    (384, 3, frozenset({1})),
)
"""Width, blocks, and which blocks have squeeze-and-excitation, of each stage."""
REDUCTION = 4
"""Width of a block over that of its squeeze."""


def build_trunk() -> nn.Module:
    """Builds the trunk with random weights: a stem and three stages, from 3 to 384 channels.

    After the stem, of stride 4, the last two stages halve the height and keep the width, where letters follow each
    other.
    """
    stages: list[nn.Module] = [_Stem()]
    before = STAGES[0][0]
    for number, (width, blocks, excited) in enumerate(STAGES):
        widths = [before, *[width] * blocks]
        stride = (2, 1) if number else (1, 1)
        stages.append(
            nn.Sequential(
                *(_Block(widths[i], width, (1, 1) if i else stride, excited=i in excited) for i in range(blocks))
            )
        )
        before = width
    return nn.Sequential(*stages)


class _Stem(nn.Module):
    """Convolutions of stride 4 on two paths, of convolutions and of maxima. Source: HGNetV2 of PaddleClas."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 48, 3, stride=2, padding=1)
        self.conv2a = nn.Conv2d(48, 24, 2)
        self.conv2b = nn.Conv2d(24, 48, 2)
        self.conv3 = nn.Conv2d(96, 48, 3, stride=2, padding=1)
        self.conv4 = nn.Conv2d(48, 96, 1)

    def forward(self, images: Tensor) -> Tensor:
        x = self._padded(self.conv1(images).relu())
        convolved = self._padded(self.conv2a(x).relu())
        convolved = self.conv2b(convolved).relu()
        greatest = nn.functional.max_pool2d(x, 2, stride=1)
        x = self.conv3(torch.cat([greatest, convolved], dim=1)).relu()
        return self.conv4(x).relu()

    def _padded(self, x: Tensor) -> Tensor:
        """One row below and one column to the right, of zeros."""
        return nn.functional.pad(x, (0, 1, 0, 1))


class _Block(nn.Module):
    """Depthwise convolution, squeeze-and-excitation, then two pointwise ones beside a path around them."""

    def __init__(self, before: int, width: int, stride: tuple[int, int], *, excited: bool) -> None:
        super().__init__()
        self.dw = nn.Conv2d(before, before, 3, stride=stride, padding=1, groups=before)
        self.se = _excitation(before) if excited else None
        self.mlp = nn.Sequential(nn.Conv2d(before, 2 * before, 1), nn.GELU(), nn.Conv2d(2 * before, width, 1))
        self.is_residual = before == width

    def forward(self, x: Tensor) -> Tensor:
        x = self.dw(x)
        if self.se is not None:
            x = x * self.se(x)
        return x + self.mlp(x) if self.is_residual else self.mlp(x)


def _excitation(width: int) -> nn.Sequential:
    """Weights 0 to 1 of the channels. Source: Hu et al., arXiv 1709.01507."""
    squeezed = width // REDUCTION
    return nn.Sequential(
        nn.AdaptiveAvgPool2d(1),
        nn.Conv2d(width, squeezed, 1),
        nn.ReLU(),
        nn.Conv2d(squeezed, width, 1),
        nn.Hardsigmoid(),
    )
