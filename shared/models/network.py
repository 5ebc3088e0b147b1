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
        feature_width: Width of the code.
        classes: Number of outputs.
    """

    def __init__(
        self, backbone: Backbone, layers: Sequence[str], pooling: str, feature_width: int, classes: int
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.layers = tuple(layers)
        self.pooling = pooling
        self.head = nn.Linear(feature_width, classes)
        self.auxiliary = nn.ModuleList()  # a `AuxiliaryHead` for each auxiliary task that it learnt
        self.temperature: Tensor
        self.register_buffer("temperature", torch.ones(()))

    def auxiliary_heads(self) -> list[AuxiliaryHead]:
        """Those of the auxiliary tasks, in the order in which they were asked for."""
        return [head for head in self.auxiliary if isinstance(head, AuxiliaryHead)]

    def features(self, images: Tensor) -> Tensor:
        """Features, float32 [N, feature_width], of images [N, channels, size, size] in 0..1."""
        return self.features_of(self.backbone(images))

    def features_of(self, maps: Mapping[str, Tensor]) -> Tensor:
        """Features, float32 [N, feature_width], of the backbone's outputs."""
        return torch.cat([pool(maps[layer], self.pooling) for layer in self.layers], dim=1)

    def forward(self, images: Tensor) -> Tensor:
        """Class scores (logits before the temperature), float32 [N, classes]."""
        logits: Tensor = self.head(self.features(images))
        return logits


class AuxiliaryHead(nn.Linear):
    """FeatureSpec to the scores of another task than the classes.

    Args:
        task: Its name.
        feature_width: Width of the code.
        classes: Names of its answers, in the order of its outputs.
    """

    def __init__(self, task: str, feature_width: int, classes: Sequence[str]) -> None:
        super().__init__(feature_width, len(classes))
        self.task, self.classes = task, tuple(classes)


class Calibrated(nn.Module):
    """What is exported: images to class probabilities and features, the temperature inside."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Probabilities [N, classes], features [N, feature_width], and probabilities of each auxiliary task."""
        features = self.network.features(images)
        auxiliary = [torch.softmax(head(features), dim=1) for head in self.network.auxiliary_heads()]
        return torch.softmax(self.network.head(features) / self.network.temperature, dim=1), features, *auxiliary


@torch.no_grad()
def feature_width(backbone: Backbone, layers: Sequence[str], pooling: str, channels: int, size: int) -> int:
    """Width of the concatenated pooled code, found by one forward pass of a black image."""
    was_training = backbone.training
    backbone.eval()
    maps = backbone(torch.zeros(1, channels, size, size))
    backbone.train(was_training)
    return int(sum(pool(maps[layer], pooling).shape[1] for layer in layers))
