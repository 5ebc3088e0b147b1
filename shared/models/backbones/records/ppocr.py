"""PP-OCR's text recogniser, whose trunk was trained on lines of text and never on ImageNet."""

from __future__ import annotations

from typing import Any

from shared.models.backbones.record import BACKBONES, BackboneRecord

_STAGES = ("stem", "stage1", "stage2", "stage3")
_HALF = (0.5, 0.5, 0.5)


def _build() -> Any:
    from shared.models.backbones.ppocr import build_trunk

    return build_trunk()


def _split(original: Any) -> dict[str, Any]:
    return dict(zip(_STAGES, original, strict=True))


BACKBONES.add(
    "ppocr_v6_small_rec",
    BackboneRecord(
        name="ppocr_v6_small_rec",
        stages=_STAGES,
        default_layer="stage3",
        classifier="",
        build=_build,
        split=_split,
        input_size=48,
        min_size=16,
        mean=_HALF,
        std=_HALF,
        pretrained_on="PP-OCR text recognition (lines of 18,708 characters, none of them Devanagari)",
        licence="Apache-2.0 (Baidu, PaddleOCR), the weights too",
        source="PP-OCRv6 small text recogniser, PaddleOCR",
    ),
)
