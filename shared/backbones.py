"""Pretrained networks as records: what they are called, how they are cut into stages, where their weights come from.

The records are plain data; torch is imported when a network is built. A new backbone is one more record.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from shared.errors import UnknownNameError, WeightsError
from shared.registry import Registry
from shared.seeding import derive_seed

if TYPE_CHECKING:
    from shared.backbone import Backbone

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
        code_layers: Stages whose output may be taken as a code.
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
    code_layers: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if not self.code_layers:
            object.__setattr__(self, "code_layers", self.stages)


BACKBONES: Registry[BackboneRecord] = Registry("backbone")


def find_backbone(name: str) -> BackboneRecord:
    """The record called `name`; `timm/<name>` is made on the spot where timm is installed.

    Raises:
        UnknownNameError: No such backbone, or timm is not installed.
    """
    if name.startswith("timm/") and name not in BACKBONES:
        if find_spec("timm") is None:
            raise UnknownNameError(f"backbone {name!r} needs timm; install it with: pip install 'medtl[timm]'")
        from shared.timm_backbones import timm_record

        return timm_record(name.removeprefix("timm/"))
    return BACKBONES.get(name)


def build_backbone(name: str, *, layers: Sequence[str] | None, seed: int, input_size: int | None = None) -> Backbone:
    """A backbone with random weights that depend only on `seed`, cut off after the deepest of `layers`.

    Args:
        name: Of a record.
        layers: Whose outputs are wanted; None: the record's default.
        seed: Of the random initialisation; torch's own generator is left as it was.
        input_size: Side to which the backbone itself brings images; None: they come as they shall be.

    Raises:
        UnknownNameError: No such backbone or layer.
    """
    import torch

    from shared.backbone import Backbone

    record = find_backbone(name)
    wanted = tuple(layers or (record.default_layer,))
    unknown = [layer for layer in wanted if layer not in record.code_layers]
    if unknown:
        known = ", ".join(record.code_layers)
        raise UnknownNameError(f"{name} has no layer {', '.join(unknown)}; its code layers are {known}")
    with torch.random.fork_rng(devices=[]):
        # not torch.manual_seed: that would also reseed every GPU
        torch.default_generator.manual_seed(derive_seed(seed, "backbone", name))
        original = record.build()
    modules = record.split(original)
    if tuple(modules) != record.stages:
        raise WeightsError(f"{name}: this version of its library has other stages than its record says")
    depth = max(record.stages.index(layer) for layer in wanted)
    return Backbone(
        record, {stage: modules[stage] for stage in record.stages[: depth + 1]}, original, wanted, input_size
    )


def _torchvision(builder: str, **options: Any) -> Callable[[], Any]:
    def build() -> Any:
        from torchvision import models

        return models.get_model(builder, weights=None, **options)

    return build


def _imagenet_url(builder: str) -> Callable[[], str]:
    def url() -> str:
        from torchvision import models

        weights = models.get_model_weights(builder)
        # the first generation: trained with the plain recipe that the papers compare
        return str(weights["IMAGENET1K_V1"].url)

    return url


def _sequence(*modules: Any) -> Any:
    from torch import nn

    return nn.Sequential(*modules)


def _split_by_index(original: Any) -> dict[str, Any]:
    return {f"features{index}": module for index, module in enumerate(original.features)}


def _split_dense(cuts: Sequence[int], names: Sequence[str], dense: Sequence[int]) -> Callable[[Any], dict[str, Any]]:
    """Convolutional features cut at `cuts`, then the dense layers that end at the indices `dense`."""

    def split(original: Any) -> dict[str, Any]:
        from torch import nn

        bounds = [0, *cuts]
        stages = {
            name: original.features[start:stop]
            for name, start, stop in zip(names, bounds[:-1], bounds[1:], strict=True)
        }
        first, second = dense
        stages["fc6"] = _sequence(original.avgpool, nn.Flatten(), *original.classifier[:first])
        stages["fc7"] = _sequence(*original.classifier[first:second])
        return stages

    return split


def _split_vgg(original: Any) -> dict[str, Any]:
    from torch import nn

    cuts = [index + 1 for index, module in enumerate(original.features) if isinstance(module, nn.MaxPool2d)]
    return _split_dense(cuts, [f"block{i}" for i in range(1, 6)], (3, 6))(original)


def _split_resnet(original: Any) -> dict[str, Any]:
    stem = _sequence(original.conv1, original.bn1, original.relu, original.maxpool)
    return {"stem": stem, **{f"layer{i}": getattr(original, f"layer{i}") for i in range(1, 5)}}


def _split_densenet(original: Any) -> dict[str, Any]:
    from torch import nn

    f = original.features
    stages = {"stem": _sequence(f.conv0, f.norm0, f.relu0, f.pool0)}
    for i in range(1, 4):
        stages[f"block{i}"] = _sequence(getattr(f, f"denseblock{i}"), getattr(f, f"transition{i}"))
    stages["block4"] = _sequence(f.denseblock4, f.norm5, nn.ReLU())
    return stages


def _split_squeezenet(original: Any) -> dict[str, Any]:
    f = original.features
    # indices 5 and 8 are poolings; each opens the fire module after it
    parts = [(3, 4), (4, 5), (5, 7), (7, 8), (8, 10), (10, 11), (11, 12), (12, 13)]
    return {"stem": f[:3], **{f"fire{i}": f[start:stop] for i, (start, stop) in enumerate(parts, start=2)}}


def _split_inception(original: Any) -> dict[str, Any]:
    o = original
    return {
        "stem": _sequence(o.Conv2d_1a_3x3, o.Conv2d_2a_3x3, o.Conv2d_2b_3x3, o.maxpool1),
        "conv4": _sequence(o.Conv2d_3b_1x1, o.Conv2d_4a_3x3, o.maxpool2),
        "mixed5": _sequence(o.Mixed_5b, o.Mixed_5c, o.Mixed_5d),
        "mixed6": _sequence(o.Mixed_6a, o.Mixed_6b, o.Mixed_6c, o.Mixed_6d, o.Mixed_6e),
        "mixed7": _sequence(o.Mixed_7a, o.Mixed_7b, o.Mixed_7c),
    }


def _build_convnet_small() -> Any:
    from torch import nn

    widths = (1, 32, 64, 128, 256)
    network = nn.Module()
    for i, (before, after) in enumerate(itertools.pairwise(widths), start=1):
        block = nn.Sequential(
            nn.Conv2d(before, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        network.add_module(f"block{i}", block)
    return network


def _split_by_name(original: Any) -> dict[str, Any]:
    return dict(original.named_children())


def _build_lenet() -> Any:
    from torch import nn

    network = nn.Module()
    for i, (before, after) in enumerate(((1, 20), (20, 50)), start=1):
        convolution = nn.Conv2d(before, after, 5, bias=False)
        block = nn.Sequential(convolution, nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2))
        network.add_module(f"block{i}", block)
    network.add_module("fc", nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(800, 500), nn.ReLU()))
    return network


_TORCHVISION = "BSD-3-Clause (torchvision); weights: trained on ImageNet, for research"
_RESNET = ("stem", "layer1", "layer2", "layer3", "layer4")
_DENSENET = ("stem", "block1", "block2", "block3", "block4")
_DENSENET_RENAMED = (r"\.(norm|conv)\.([12])\.", r".\1\2.")
"""The published files write `norm.1` where the module is now called `norm1`. Source: torchvision/models/densenet.py."""
_VGG = ("block1", "block2", "block3", "block4", "block5", "fc6", "fc7")


def _register(
    name: str, stages: tuple[str, ...], split: Callable[[Any], dict[str, Any]], paper: str, **more: Any
) -> None:
    options = {"aux_logits": True, "init_weights": True} if name == "inception_v3" else {}
    facts: dict[str, Any] = {"default_layer": stages[-1], "classifier": "classifier", **more}
    BACKBONES.add(
        name,
        BackboneRecord(
            name=name,
            stages=stages,
            build=_torchvision(name, **options),
            split=split,
            weights_url=_imagenet_url(name),
            licence=_TORCHVISION,
            source=f"{paper}; torchvision",
            **facts,
        ),
    )


_register(
    "alexnet",
    ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7"),
    _split_dense((3, 6, 8, 10, 13), ("conv1", "conv2", "conv3", "conv4", "conv5"), (3, 6)),
    "Krizhevsky, arXiv 1404.5997",
    classifier="classifier.6",
    min_size=63,
)
for _depth in ("11", "16", "19"):
    for _suffix in ("", "_bn"):
        _register(
            f"vgg{_depth}{_suffix}",
            _VGG,
            _split_vgg,
            "Simonyan & Zisserman, arXiv 1409.1556",
            classifier="classifier.6",
        )
for _depth in ("18", "34", "50"):
    _register(f"resnet{_depth}", _RESNET, _split_resnet, "He et al., arXiv 1512.03385", classifier="fc")
for _depth in ("121", "201"):
    _register(
        f"densenet{_depth}",
        _DENSENET,
        _split_densenet,
        "Huang et al., arXiv 1608.06993",
        renamed=_DENSENET_RENAMED,
    )
_register(
    "inception_v3",
    ("stem", "conv4", "mixed5", "mixed6", "mixed7"),
    _split_inception,
    "Szegedy et al., arXiv 1512.00567",
    classifier="fc",
    input_size=299,
    min_size=75,
    # torchvision turns ImageNet statistics into these inside the network (transform_input); here it is done once
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
)
_register(
    "squeezenet1_1",
    ("stem", *(f"fire{i}" for i in range(2, 10))),
    _split_squeezenet,
    "Iandola et al., arXiv 1602.07360",
)
_register("mobilenet_v2", tuple(f"features{i}" for i in range(19)), _split_by_index, "Sandler et al., arXiv 1801.04381")
_register(
    "mobilenet_v3_small", tuple(f"features{i}" for i in range(13)), _split_by_index, "Howard et al., arXiv 1905.02244"
)
_register(
    "mobilenet_v3_large", tuple(f"features{i}" for i in range(17)), _split_by_index, "Howard et al., arXiv 1905.02244"
)
_register("efficientnet_b0", tuple(f"features{i}" for i in range(9)), _split_by_index, "Tan & Le, arXiv 1905.11946")
BACKBONES.add(
    "convnet_small",
    BackboneRecord(
        name="convnet_small",
        stages=("block1", "block2", "block3", "block4"),
        default_layer="block4",
        classifier="",
        build=_build_convnet_small,
        split=_split_by_name,
        channels=1,
        input_size=32,
        min_size=16,
        mean=UNIT_MEAN,
        std=UNIT_STD,
        licence="Apache-2.0",
        source="this project; eight convolutions in the manner of VGG, for small images and no pretraining",
    ),
)
BACKBONES.add(
    "lenet",
    BackboneRecord(
        name="lenet",
        stages=("block1", "block2", "fc"),
        default_layer="fc",
        classifier="",
        build=_build_lenet,
        split=_split_by_name,
        channels=1,
        input_size=28,
        min_size=28,
        mean=UNIT_MEAN,
        std=UNIT_STD,
        licence="Apache-2.0",
        source="LeCun et al., Proc IEEE 86(11), 1998, in the widths of Caffe's example, with BatchNorm; this project",
    ),
)
