"""MONAI's two-dimensional networks for one channel, as backbones."""

from __future__ import annotations

from typing import Any

from shared.models.backbones.record import BACKBONES, UNIT_MEAN, UNIT_STD, BackboneRecord

_LICENCE = "Apache-2.0 (MONAI)"


def register_backbones() -> None:
    """Adds MONAI's DenseNet-121 and ResNet-18 to the registry of backbones; a second call does nothing."""
    if "monai/densenet121" in BACKBONES:
        return
    _add(
        "monai/densenet121",
        ("stem", "block1", "block2", "block3", "block4"),
        _build_densenet,
        _split_densenet,
        "class_layers",
        "Huang et al., arXiv 1608.06993; MONAI",
    )
    _add(
        "monai/resnet18",
        ("stem", "layer1", "layer2", "layer3", "layer4"),
        _build_resnet,
        _split_resnet,
        "fc",
        "He et al., arXiv 1512.03385; MONAI",
    )


def _add(name: str, stages: tuple[str, ...], build: Any, split: Any, classifier: str, source: str) -> None:
    BACKBONES.add(
        name,
        BackboneRecord(
            name=name,
            stages=stages,
            default_layer=stages[-1],
            classifier=classifier,
            build=build,
            split=split,
            channels=1,
            mean=UNIT_MEAN,
            std=UNIT_STD,
            licence=_LICENCE,
            source=source,
        ),
    )


def _build_densenet() -> Any:
    from monai.networks.nets import DenseNet121

    return DenseNet121(spatial_dims=2, in_channels=1, out_channels=2)


def _split_densenet(original: Any) -> dict[str, Any]:
    from torch import nn

    f = original.features
    stages = {"stem": nn.Sequential(f.conv0, f.norm0, f.relu0, f.pool0)}
    for i in range(1, 4):
        stages[f"block{i}"] = nn.Sequential(getattr(f, f"denseblock{i}"), getattr(f, f"transition{i}"))
    stages["block4"] = nn.Sequential(f.denseblock4, f.norm5, nn.ReLU())
    return stages


def _build_resnet() -> Any:
    from monai.networks.nets import resnet18

    return resnet18(spatial_dims=2, n_input_channels=1, num_classes=2, conv1_t_size=7, conv1_t_stride=2)


def _split_resnet(original: Any) -> dict[str, Any]:
    from torch import nn

    stem = nn.Sequential(original.conv1, original.bn1, original.act, original.maxpool)
    return {"stem": stem, **{f"layer{i}": getattr(original, f"layer{i}") for i in range(1, 5)}}
