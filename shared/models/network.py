"""Backbone, pooled code and linear head as one network, the form in which every run is stored and exported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from shared.models.backbones.module import Backbone
from shared.models.pooling import pool


class Network(nn.Module):
    """Image to class scores by way of a code.

    Args:
        backbone: Gives the feature maps of `layers`.
        layers: Their pooled outputs, concatenated, are the code.
        pooling: One of `shared.models.pooling.POOLINGS`.
        code_width: Width of the code.
        classes: Number of outputs.
    """

    def __init__(self, backbone: Backbone, layers: Sequence[str], pooling: str, code_width: int, classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.layers = tuple(layers)
        self.pooling = pooling
        self.head = nn.Linear(code_width, classes)
        self.further = nn.ModuleList()  # a `FurtherHead` for each further task that it learnt
        self.temperature: Tensor
        self.register_buffer("temperature", torch.ones(()))

    def further_heads(self) -> list[FurtherHead]:
        """Those of the further tasks, in the order in which they were asked for."""
        return [head for head in self.further if isinstance(head, FurtherHead)]

    def codes(self, images: Tensor) -> Tensor:
        """Codes, float32 [N, code_width], of images [N, channels, size, size] in 0..1."""
        return self.code_of(self.backbone(images))

    def code_of(self, maps: Mapping[str, Tensor]) -> Tensor:
        """Codes, float32 [N, code_width], of the backbone's outputs."""
        return torch.cat([pool(maps[layer], self.pooling) for layer in self.layers], dim=1)

    def forward(self, images: Tensor) -> Tensor:
        """Class scores (logits before the temperature), float32 [N, classes]."""
        logits: Tensor = self.head(self.codes(images))
        return logits


class FurtherHead(nn.Linear):
    """Code to the scores of another task than the classes.

    Args:
        task: Its name.
        code_width: Width of the code.
        classes: Names of its answers, in the order of its outputs.
    """

    def __init__(self, task: str, code_width: int, classes: Sequence[str]) -> None:
        super().__init__(code_width, len(classes))
        self.task, self.classes = task, tuple(classes)


class Calibrated(nn.Module):
    """What is exported: images to class probabilities and codes, the temperature inside."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Probabilities [N, classes] that sum to 1, codes [N, code_width], and probabilities of each further task."""
        codes = self.network.codes(images)
        further = [torch.softmax(head(codes), dim=1) for head in self.network.further_heads()]
        return torch.softmax(self.network.head(codes) / self.network.temperature, dim=1), codes, *further


@torch.no_grad()
def code_width(backbone: Backbone, layers: Sequence[str], pooling: str, channels: int, size: int) -> int:
    """Width of the concatenated pooled code, found by one forward pass of a black image."""
    was_training = backbone.training
    backbone.eval()
    maps = backbone(torch.zeros(1, channels, size, size))
    backbone.train(was_training)
    return int(sum(pool(maps[layer], pooling).shape[1] for layer in layers))
