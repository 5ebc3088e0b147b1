"""Discriminative learning rates: the head fastest, each earlier stage slower."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


def parameter_groups(
    stages: nn.ModuleDict,
    heads: Mapping[str, nn.Module],
    train: Sequence[str],
    *,
    lr_head: float,
    lr_backbone: float,
    lr_decay: float,
    weight_decay: float,
) -> list[dict[str, Any]]:
    """Optimiser groups for what is new and for each trained stage.

    Args:
        stages: All stages, from input to output.
        heads: By name, the head and what else is new; each gets `lr_head`.
        train: Names of the trained stages, from input to output. The last gets `lr_backbone`, each one before it
            `lr_decay` times the rate of the one after it.
        lr_head: Peak rate of the heads.
        lr_backbone: Peak rate of the last trained stage.
        lr_decay: In 0..1; 1 gives all stages one rate.
        weight_decay: On matrices and kernels; biases and normalisation (vectors) are not decayed.

    Source: Howard & Ruder, arXiv 1801.06146, section 3.2 (discriminative fine-tuning).
    """
    rates = [(name, module, lr_head) for name, module in heads.items()]
    for depth, name in enumerate(reversed(list(train))):
        rates.append((name, stages[name], lr_backbone * lr_decay**depth))
    groups: list[dict[str, Any]] = []
    for name, module, rate in rates:
        parameters = [p for p in module.parameters() if p.requires_grad]
        for decay, chosen in (
            (weight_decay, [p for p in parameters if p.ndim > 1]),
            (0.0, [p for p in parameters if p.ndim <= 1]),
        ):
            if chosen:
                groups.append({"params": chosen, "lr": rate, "peak_lr": rate, "weight_decay": decay, "name": name})
    return groups
