"""Backbones from timm, called `timm/<name>`: a stage for each level of the feature pyramid, or for each block."""

from __future__ import annotations

import difflib
from functools import cache
from typing import Any

from shared.errors import UnknownNameError
from shared.models.backbones.record import BackboneRecord

TOLERANCE = 1e-4
"""Largest relative difference between timm's own features and those of the chain of stages."""
NO_CHAIN = "is no chain of modules; choose a ResNet, RegNet, EfficientNet or ViT"
"""End of the message that refuses a model."""


@cache  # it takes a second or more, and each check of a configuration calls it again
def timm_record(name: str) -> BackboneRecord:
    """Makes the record of a timm model whose features come from a chain of modules.

    That is a convolutional network, whose modules its `feature_info` names, or a vision transformer. A model is taken
    only when the chain gives the features that the model itself computes: anything that happens between its modules
    would otherwise be left out in silence.

    Args:
        name: Name of the model in timm, without `timm/`; with the tag of its weights where their input differs.

    Raises:
        UnknownNameError: timm has no such model, or it cannot be cut into a chain of stages.
    """
    import timm
    import torch

    from shared.models.backbones.timm_transformer import patch_tokens, told_apart, transformer_record

    known = timm.list_models()
    if name not in known and name not in timm.list_models(include_tags=True):
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(f'timm/{other}' for other in near)}?" if near else "see timm.list_models()"
        raise UnknownNameError(f"unknown backbone 'timm/{name}'; {hint}")
    with torch.device("meta"):
        probe = timm.create_model(name, pretrained=False)
    tokens = patch_tokens(probe)
    if tokens is not None:
        record = transformer_record(name, probe, tokens)
        if record is None:
            raise UnknownNameError(f"backbone 'timm/{name}' {NO_CHAIN}")
        return record
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # or what is taken would depend on what was drawn before
        probe = told_apart(timm.create_model(name, pretrained=False))
        settings = probe.pretrained_cfg
        stages = _split(probe)
        if not stages or not _same_features(probe, stages, settings["input_size"]):
            raise UnknownNameError(f"backbone 'timm/{name}' {NO_CHAIN}")
    return BackboneRecord(
        name=f"timm/{name}",
        stages=tuple(stages),
        default_layer=tuple(stages)[-1],
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
    """Groups top-level modules into stages that each end at a level of `feature_info`; empty: they form no chain."""
    from torch import nn

    ends = _ends(model)
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
    return stages if len(stages) == len(ends) else {}


def _ends(model: Any) -> list[str]:
    return [info["module"] for info in getattr(model, "feature_info", [])]


def _same_features(model: Any, stages: dict[str, Any], input_size: tuple[int, int, int]) -> bool:
    """Tests whether the chain of stages gives what the model's own forward pass computes at each level."""
    import torch

    outputs: list[torch.Tensor] = []
    hooks = [
        model.get_submodule(end).register_forward_hook(lambda *call: outputs.append(call[2])) for end in _ends(model)
    ]
    model.eval()
    image = torch.rand(1, *input_size)
    with torch.no_grad():
        model.forward_features(image)
        expected, x = list(outputs), image
        for hook in hooks:
            hook.remove()
        if len(expected) != len(stages):
            return False
        for wanted, stage, info in zip(expected, stages.values(), model.feature_info, strict=True):
            try:
                x = stage(x)
            except (RuntimeError, TypeError, ValueError):  # a module's refusal of an input that it was not made for
                return False
            if x.ndim != 4 or x.shape != wanted.shape or x.shape[1] != info["num_chs"]:
                return False
            if not torch.allclose(x, wanted, rtol=TOLERANCE, atol=TOLERANCE):
                return False
    return True
