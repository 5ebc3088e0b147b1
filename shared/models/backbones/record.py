"""Records of architectures: stages, input, weights and licence, known before anything is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from shared.registry import Registry

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of each channel of ImageNet in 0..1, as torchvision's weights expect them."""
UNIT_MEAN, UNIT_STD = (0.5,), (0.5,)
"""Mean and standard deviation for networks without pretrained weights: 0..1 becomes -1..1."""


@dataclass(frozen=True)
class BackboneRecord:
    """Describes one architecture: its stages, its input, its weights and its licence.

    Attributes:
        name: Name in a configuration.
        stages: Names of the stages, from input to output; freezing and weight transfer refer to them.
        feature_layers: Stages whose outputs may serve as features; all of them where none are given.
        default_layer: The stage whose output is the features where the configuration names none.
        classifier: Prefix, in the original state dict, of the classifier that is cut off.
        build: Builds the original network without weights.
        split: Divides the original network into the modules of each stage, in order.
        channels: Channels of the network's input, 1 or 3.
        input_size: Usual side of the input, in pixels.
        min_size: Smallest side of an input that passes through all stages, in pixels.
        mean: Subtracted from each channel of an input in 0..1.
        std: Divides each channel after that.
        weights_url: Function that returns the address of the ImageNet weights; None where none are published.
        renamed: Pattern and replacement that turn tensor names of older files into the present ones; None: names never
            changed.
        licence: Licence of code and weights.
        source: Paper and implementation.
    """

    name: str
    stages: tuple[str, ...]
    default_layer: str
    classifier: str
    build: Callable[[], Any]
    split: Callable[[Any], dict[str, Any]]
    licence: str
    source: str
    channels: int = 3
    input_size: int = 224
    min_size: int = 32
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    weights_url: Callable[[], str] | None = None
    renamed: tuple[str, str] | None = None
    feature_layers: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if not self.feature_layers:
            object.__setattr__(self, "feature_layers", self.stages)


BACKBONES: Registry[BackboneRecord] = Registry("backbone", "shared.models.backbones.records")
