"""Records of architectures: stages, input, weights and licence, known before anything is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shared.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

IMAGENET = "ImageNet"
"""What most published weights were trained on, in words for people."""
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of each channel of ImageNet in 0..1, as torchvision's weights expect them."""
UNIT_MEAN, UNIT_STD = (0.5,), (0.5,)
"""Mean and standard deviation for networks without pretrained weights: 0..1 becomes -1..1."""


@dataclass(frozen=True)
class PackagedWeights:
    """Weights that a package of the Python registry carries as a file; the package is never imported.

    The file holds the tensors of the original network in the original's order, under other names: all of them, or
    those of the first stages.

    Attributes:
        package: Name of the package in the registry.
        version: Its version.
        file: Path of the file in the package.
        sha256: Hash of the file.
        licence: Licence of the weights.
        stages: The stages that the file holds, from input to output; all of them where none are given.
        converted: Brings the tensors, by their names in the original network, to the input that the record states;
            None: they have it.
    """

    package: str
    version: str
    file: str
    sha256: str
    licence: str
    stages: tuple[str, ...] = ()
    converted: Callable[[dict[str, Tensor]], dict[str, Tensor]] | None = None


@dataclass(frozen=True)
class PatchTokens:
    """The tokens that a vision transformer makes of an image: those of its patches, and some before them.

    Attributes:
        side: Side of a patch, in pixels; the side of an input is a multiple of it.
        before: Number of tokens before those of the patches.
        has_class: Whether the first token is the class token; the others before the patches are registers, which
            features leave out.
    """

    side: int
    before: int = 1
    has_class: bool = True


@dataclass(frozen=True)
class BackboneRecord:
    """Describes one architecture: its stages, its input, its weights and its licence.

    Attributes:
        name: Name in a configuration.
        stages: Names of the stages, from input to output; freezing and weight transfer refer to them.
        feature_layers: Stages whose outputs may serve as features; all of them where none are given.
        default_layer: The stage whose output is the features where the configuration names none.
        classifier: Prefix, in the original state dict, of the classifier that is cut off.
        classifier_pooling: Pooling of the default layer on which that classifier was trained.
        build: Builds the original network without weights.
        build_at: Builds it for an input of this side, in pixels; None: what `build` gives takes inputs of any side.
        split: Divides the original network into the modules of each stage, in order.
        channels: Channels of the network's input, 1 or 3.
        input_size: Usual side of the input, in pixels.
        min_size: Smallest side of an input that passes through all stages, in pixels.
        tokens: The tokens of a vision transformer, whose stages give them; None: stages give feature maps or vectors.
        mean: Subtracted from each channel of an input in 0..1.
        std: Divides each channel after that.
        pretrained_on: What the published weights were trained on; None where none are published.
        weights_url: Function that returns the address of the published weights; None where none are published.
        by_hand: Why the published weights have to be fetched by hand; None: they are downloaded.
        packaged: Weights that a package carries; None where there are none.
        renamed: Pattern and replacement that turn tensor names of older files into the present ones; None: names never
            changed.
        library: Package that builds the network, where that is not part of the extra `train`.
        absent_stages: Stages that the chosen weights do not hold, and that are therefore no feature layers.
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
    classifier_pooling: str = "avg_1x1"
    build_at: Callable[[int], Any] | None = None
    channels: int = 3
    input_size: int = 224
    min_size: int = 32
    tokens: PatchTokens | None = None
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    pretrained_on: str | None = None
    weights_url: Callable[[], str] | None = None
    by_hand: str | None = None
    packaged: PackagedWeights | None = None
    renamed: tuple[str, str] | None = None
    library: str | None = None
    absent_stages: tuple[str, ...] = ()
    feature_layers: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if not self.feature_layers:
            object.__setattr__(self, "feature_layers", self.stages)

    def takes(self, size: int) -> bool:
        """Tells whether an input of this side, in pixels, passes through all stages, and is cut into whole patches."""
        return size >= self.min_size and (self.tokens is None or size % self.tokens.side == 0)


BACKBONES: Registry[BackboneRecord] = Registry("backbone", "shared.models.backbones.records")
