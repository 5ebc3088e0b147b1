"""Backbone, pooled code and linear head as one network, the form in which every run is stored and exported."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from shared.backbone import Backbone
from shared.pooling import pool


class Network(nn.Module):
    """Image to class scores by way of a code.

    Args:
        backbone: Gives the feature maps of `layers`.
        layers: Their pooled outputs, concatenated, are the code.
        pooling: One of `shared.pooling.POOLINGS`.
        code_width: Width of the code.
        classes: Number of outputs.
    """

    def __init__(self, backbone: Backbone, layers: Sequence[str], pooling: str, code_width: int, classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.layers = tuple(layers)
        self.pooling = pooling
        self.head = nn.Linear(code_width, classes)
        self.temperature: Tensor
        self.register_buffer("temperature", torch.ones(()))

    def codes(self, images: Tensor) -> Tensor:
        """Codes, float32 [N, code_width], of images [N, channels, size, size] in 0..1."""
        maps = self.backbone(images)
        return torch.cat([pool(maps[layer], self.pooling) for layer in self.layers], dim=1)

    def forward(self, images: Tensor) -> Tensor:
        """Class scores (logits before the temperature), float32 [N, classes]."""
        logits: Tensor = self.head(self.codes(images))
        return logits


class Calibrated(nn.Module):
    """What is exported: images to class probabilities and codes, the temperature inside."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities [N, classes] that sum to 1, and codes [N, code_width]."""
        codes = self.network.codes(images)
        return torch.softmax(self.network.head(codes) / self.network.temperature, dim=1), codes


@torch.no_grad()
def code_width(backbone: Backbone, layers: Sequence[str], pooling: str, channels: int, size: int) -> int:
    """Width of the concatenated pooled code, found by one forward pass of a black image."""
    was_training = backbone.training
    backbone.eval()
    maps = backbone(torch.zeros(1, channels, size, size))
    backbone.train(was_training)
    return int(sum(pool(maps[layer], pooling).shape[1] for layer in layers))
