"""Backbones from timm, as `timm/<name>`: one stage for each level of its feature pyramid."""

from __future__ import annotations

from typing import Any

from shared.backbones import BackboneRecord
from shared.errors import UnknownNameError
from shared.registry import unknown_name


def timm_record(name: str) -> BackboneRecord:
    """The record of a timm model whose features come from a chain of modules (its `feature_info` names them).

    Raises:
        UnknownNameError: timm has no such model, or it cannot be cut into a chain of stages.
    """
    import timm

    if name not in timm.list_models():
        raise UnknownNameError(unknown_name("timm backbone", name, timm.list_models()))
    probe = timm.create_model(name, pretrained=False)
    settings = probe.pretrained_cfg
    stages = tuple(_split(probe))
    return BackboneRecord(
        name=f"timm/{name}",
        stages=stages,
        default_layer=stages[-1],
        classifier=str(settings.get("classifier", "")),
        build=lambda: timm.create_model(name, pretrained=False),
        split=_split,
        channels=settings["input_size"][0],
        input_size=settings["input_size"][-1],
        mean=tuple(settings["mean"]),
        std=tuple(settings["std"]),
        licence=str(settings.get("license") or "see the model's page in timm"),
        source="timm",
    )


def _split(model: Any) -> dict[str, Any]:
    """Top-level modules in order, gathered so that each stage ends at one level of `feature_info`."""
    from torch import nn

    ends = [info["module"] for info in model.feature_info]
    chain: list[tuple[str, nn.Module]] = []
    for name, module in model.named_children():
        if isinstance(module, nn.Sequential) and any(end.startswith(f"{name}.") for end in ends):
            chain += [(f"{name}.{key}", part) for key, part in module.named_children()]
        else:
            chain.append((name, module))
    stages: dict[str, Any] = {}
    gathered: list[nn.Module] = []
    for name, module in chain:
        gathered.append(module)
        if name in ends:
            stages[f"level{len(stages)}"] = nn.Sequential(*gathered)
            gathered = []
    if len(stages) != len(ends):
        raise UnknownNameError("this timm model is no chain of modules; choose one of the ResNet or EfficientNet kind")
    return stages
