"""Xception, built by timm, with the address of its ImageNet weights."""

from __future__ import annotations

from typing import Any

from shared.models.backbones.record import BACKBONES, IMAGENET, BackboneRecord

_BLOCKS = tuple(f"block{i}" for i in range(1, 13))
_HALF = (0.5, 0.5, 0.5)


def _build() -> Any:
    import timm

    return timm.create_model("legacy_xception", pretrained=False)


def _weights_url() -> str:
    return "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-cadene/xception-43020ad28.pth"


def _split(original: Any) -> dict[str, Any]:
    from torch import nn

    o = original
    return {
        "stem": nn.Sequential(o.conv1, o.bn1, o.act1, o.conv2, o.bn2, o.act2),
        **{name: getattr(o, name) for name in _BLOCKS},
        "exit": nn.Sequential(o.conv3, o.bn3, o.act3, o.conv4, o.bn4, o.act4),
    }


BACKBONES.add(
    "xception",
    BackboneRecord(
        name="xception",
        stages=("stem", *_BLOCKS, "exit"),
        default_layer="exit",
        classifier="fc",
        build=_build,
        split=_split,
        input_size=299,
        min_size=32,
        mean=_HALF,
        std=_HALF,
        pretrained_on=IMAGENET,
        weights_url=_weights_url,
        library="timm",
        licence="Apache-2.0 (timm); weights: trained on ImageNet, for research",
        source="Chollet, arXiv 1610.02357; timm's legacy_xception",
    ),
)
