"""Backbone, pooling and linear head as one network, the form in which every run is stored and exported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from shared.errors import ConfigError
from shared.models.backbones.module import Backbone
from shared.models.evidence import EvidenceMap, strongest
from shared.models.pooling import EVIDENCE, as_maps, pool


class Trunk(nn.Module):
    """Maps images to features: the pooled outputs of a backbone's layers.

    Attributes:
        mirrored: Whether, in evaluation mode, features are the mean of those of an image and of its mirror image.
        evidence: Map of the evidence in the layers, whose strongest places are the last feature; None under another
            pooling than `EVIDENCE`.

    Args:
        backbone: The backbone, which outputs the feature maps of `layers`.
        layers: Names of the layers whose pooled outputs are concatenated to the features.
        pooling: One of `shared.models.pooling.POOLINGS`.
        mirrored: The attribute of this name.

    Raises:
        ConfigError: The pooling is `EVIDENCE`, and a layer gives vectors, which have no places.
    """

    def __init__(self, backbone: Backbone, layers: Sequence[str], pooling: str, *, mirrored: bool = False) -> None:
        super().__init__()
        self.mirrored = mirrored
        self.backbone = backbone
        self.layers = tuple(layers)
        self.pooling = pooling
        self.evidence = EvidenceMap(_map_widths(backbone, self.layers)) if pooling == EVIDENCE else None

    def features(self, images: Tensor) -> Tensor:
        """Computes features, float32 [N, feature_width], of images float32 [N, channels, size, size] in 0..1.

        Where the trunk is mirrored and in evaluation mode, an image and its mirror image, left and right exchanged,
        have the same features: the mean of both.
        """
        if not self.mirrored or self.training:
            return self.features_of(self.backbone(images))
        both = self.features_of(self.backbone(torch.cat([images, images.flip(-1)])))
        return both.reshape(2, -1, both.shape[1]).mean(dim=0)

    def features_of(self, maps: Mapping[str, Tensor]) -> Tensor:
        """Computes features, float32 [N, feature_width]: the pooled outputs of the network's layers, joined in their
        order, and the evidence where there is a map of it.

        Args:
            maps: The backbone's outputs by layer, [N, C, H, W], tokens [N, T, C] or [N, width].
        """
        pooled = [pool(maps[layer], self.pooling) for layer in self.layers]
        return torch.cat(pooled if self.evidence is None else [*pooled, strongest(self.evidence(maps))], dim=1)


class Network(Trunk):
    """Maps images to class logits: the pooled outputs of a backbone's layers are the features, a linear head follows.

    Args:
        backbone: The backbone, which outputs the feature maps of `layers`.
        layers: Names of the layers whose pooled outputs are concatenated to the features.
        pooling: One of `shared.models.pooling.POOLINGS`.
        feature_width: Width of the features.
        classes: Number of classes.
        mirrored: Whether, in evaluation mode, features are the mean of those of an image and of its mirror image.

    Raises:
        ConfigError: The pooling is `EVIDENCE`, and a layer gives vectors, which have no places.
    """

    def __init__(
        self,
        backbone: Backbone,
        layers: Sequence[str],
        pooling: str,
        feature_width: int,
        classes: int,
        *,
        mirrored: bool = False,
    ) -> None:
        super().__init__(backbone, layers, pooling, mirrored=mirrored)
        self._add_head(feature_width, classes)

    def _add_head(self, feature_width: int, classes: int) -> None:
        self.head = nn.Linear(feature_width, classes)
        self.auxiliary = nn.ModuleList()  # an `AuxiliaryHead` for each auxiliary task that it learnt
        self.temperature: Tensor
        self.register_buffer("temperature", torch.ones(()))

    @property
    def trunks(self) -> tuple[Trunk, ...]:
        """The parts that compute the features: the network itself; of an `Ensemble`, the trunk of each member."""
        return (self,)

    def auxiliary_heads(self) -> list[AuxiliaryHead]:
        """Lists the heads of the auxiliary tasks, in the order of the option `strategy.tasks`."""
        return [head for head in self.auxiliary if isinstance(head, AuxiliaryHead)]

    def new_modules(self) -> dict[str, nn.Module]:
        """Returns the modules that no pretrained weights fill, by name: the head, and the map of the evidence."""
        return {"head": self.head} | ({} if self.evidence is None else {"evidence": self.evidence})

    def forward(self, images: Tensor) -> Tensor:
        """Computes class logits, float32 [N, classes], which are not yet divided by the temperature.

        Args:
            images: float32 [N, channels, size, size] in 0..1.
        """
        logits: Tensor = self.head(self.features(images))
        return logits


class AuxiliaryHead(nn.Linear):
    """The linear head of an auxiliary task, from features to logits.

    Args:
        task: Name of the auxiliary task.
        feature_width: Width of the features.
        classes: Names of its classes, in the order of the outputs.
    """

    def __init__(self, task: str, feature_width: int, classes: Sequence[str]) -> None:
        super().__init__(feature_width, len(classes))
        self.task, self.classes = task, tuple(classes)


class Calibrated(nn.Module):
    """The network in the form that is exported: from images to calibrated probabilities and features.

    Args:
        network: The trained network, with its temperature.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Computes calibrated probabilities and features of images.

        The temperature divides the class logits before the softmax.

        Args:
            images: float32 [N, channels, size, size] in 0..1.

        Returns:
            Probabilities [N, classes], features [N, feature_width], and probabilities [N, its classes] of each
            auxiliary task in turn.
        """
        features = self.network.features(images)
        auxiliary = [torch.softmax(head(features), dim=1) for head in self.network.auxiliary_heads()]
        return torch.softmax(self.network.head(features) / self.network.temperature, dim=1), features, *auxiliary


def feature_width(backbone: Backbone, layers: Sequence[str], pooling: str, channels: int, size: int) -> int:
    """Measures the width of the concatenated pooled features by one forward pass of a black image.

    Args:
        backbone: The backbone, which outputs the feature maps of `layers`.
        layers: Names of the layers.
        pooling: One of `shared.models.pooling.POOLINGS`.
        channels: Channels of the image.
        size: Side of the image, in pixels.
    """
    return sum(layer_widths(backbone, layers, pooling, channels, size)) + (pooling == EVIDENCE)


@torch.no_grad()
def layer_widths(backbone: Backbone, layers: Sequence[str], pooling: str, channels: int, size: int) -> list[int]:
    """Measures how many of the features are those of each layer; evidence, which is of none, comes after them.

    The arguments are those of `feature_width`.
    """
    was_training = backbone.training
    backbone.eval()
    parameter = next(backbone.parameters(), None)
    maps = backbone(torch.zeros(1, channels, size, size, device=None if parameter is None else parameter.device))
    backbone.train(was_training)
    return [int(pool(maps[layer], pooling).shape[1]) for layer in layers]


@torch.no_grad()
def _map_widths(backbone: Backbone, layers: Sequence[str]) -> dict[str, int]:
    """Channels of the feature maps of each layer."""
    was_training = backbone.training
    backbone.eval()
    side = backbone.record.min_size
    maps = backbone(torch.zeros(1, 1, side, side))
    backbone.train(was_training)
    if flat := [layer for layer in layers if maps[layer].ndim == 2]:
        raise ConfigError(
            f"backbone.pooling: {EVIDENCE} looks at places, and layer {flat[0]} gives vectors; name an earlier one in "
            "backbone.layers"
        )
    return {layer: int(as_maps(maps[layer]).shape[1]) for layer in layers}
