"""Vision transformers that timm builds: DeiT from ImageNet, DINOv2 and DINOv3 from images without labels."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from shared.models.backbones.record import BACKBONES, IMAGENET, BackboneRecord, PatchTokens

_STAGES = ("embedding", *(f"block{number}" for number in range(1, 13)))


def _builder(name: str, options: dict[str, Any]) -> Callable[[int], Any]:
    def build(side: int) -> Any:
        from shared.models.backbones.timm_transformer import build_transformer

        return build_transformer(name, side, **options)

    return build


def _split(original: Any) -> dict[str, Any]:
    from shared.models.backbones.timm_transformer import split_transformer

    return split_transformer(original)


def _register(
    name: str,
    model: str,
    url: str,
    tokens: PatchTokens,
    *,
    input_size: int = 224,
    options: dict[str, Any] | None = None,
    **more: Any,
) -> None:
    build_at = _builder(model, options or {})
    BACKBONES.add(
        name,
        BackboneRecord(
            name=name,
            stages=_STAGES,
            default_layer=_STAGES[-1],
            classifier="head",
            classifier_pooling="cls",
            build=partial(build_at, input_size),
            build_at=build_at,
            split=_split,
            input_size=input_size,
            min_size=2 * tokens.side,
            tokens=tokens,
            weights_url=lambda: url,
            library="timm",
            **more,
        ),
    )


for _size, _hash in (("tiny", "a1311bcf"), ("small", "cd65a155"), ("base", "b5f2ef4d")):
    _register(
        f"deit_{_size}",
        f"deit_{_size}_patch16_224",
        f"https://dl.fbaipublicfiles.com/deit/deit_{_size}_patch16_224-{_hash}.pth",
        PatchTokens(16),
        pretrained_on=IMAGENET,
        licence="Apache-2.0 (timm); weights: Apache-2.0, trained on ImageNet",
        source="Touvron et al., arXiv 2012.12877, after Dosovitskiy et al., arXiv 2010.11929; timm",
    )
for _size in ("small", "base"):
    _register(
        f"dinov2_{_size}",
        f"vit_{_size}_patch14_dinov2",
        f"https://dl.fbaipublicfiles.com/dinov2/dinov2_vit{_size[0]}14/dinov2_vit{_size[0]}14_pretrain.pth",
        PatchTokens(14),
        pretrained_on="LVD-142M (142 million photographs from the web, without labels; DINOv2)",
        by_hand="no hash of theirs is published, by which a download could be checked",
        licence="Apache-2.0 (timm); weights: Apache-2.0 (Meta)",
        source="Oquab et al., arXiv 2304.07193; timm",
    )
for _size, _hash in (("small", "08c60483"), ("base", "73cec8be")):
    _file = f"dinov3_vit{_size[0]}16"
    _register(
        f"dinov3_{_size}",
        f"vit_{_size}_patch16_dinov3",
        f"https://dl.fbaipublicfiles.com/dinov3/{_file}/{_file}_pretrain_lvd1689m-{_hash}.pth",
        PatchTokens(16, before=5),
        input_size=256,
        options={"dynamic_img_size": False},
        pretrained_on="LVD-1689M (1,689 million photographs from the web, without labels; DINOv3)",
        by_hand="Meta gives them to those who accept its licence (https://ai.meta.com/dinov3)",
        licence="Apache-2.0 (timm); weights: DINOv3 License (Meta)",
        source="Siméoni et al., arXiv 2508.10104; timm",
    )
