"""What is known of a pretrained network before it is built: stages, input, weights, licence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from shared.registry import Registry

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the ImageNet training images in 0..1, as torchvision's weights expect them."""
UNIT_MEAN, UNIT_STD = (0.5,), (0.5,)
"""For networks that were trained on nothing yet: 0..1 becomes -1..1."""


@dataclass(frozen=True)
class BackboneRecord:
    """One architecture.

    Attributes:
        name: As in a configuration.
        stages: From input to output; what freeze schedules and layer transfer speak of.
        feature_layers: Stages whose output may be taken as a code.
        default_layer: The code where the configuration names none.
        classifier: Prefix, in the original state dict, of the classifier that is cut off.
        build: Gives the original network without weights.
        split: Gives the modules of each stage, in order, from the original network.
        channels: Channels of the network's input.
        input_size: Usual side of the input, in pixels.
        min_size: Smallest side that passes through all stages.
        mean: Subtracted from each channel of an input in 0..1.
        std: Divides each channel after that.
        weights_url: Gives the address of the ImageNet weights; None where there are none.
        renamed: Pattern and replacement that bring the tensor names of older files up to date; None: never changed.
        licence: Of code and weights.
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
