"""Learning rates: schedules over the steps of a phase, and parameter groups by depth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from torch import nn

DecayShape = Literal["constant", "cosine", "linear", "annealed"]
"""How the learning rate falls after the warm-up."""


def multiplier(step: int, total: int, *, shape: DecayShape = "cosine", warmup: float = 0.0) -> float:
    """Computes the factor on the peak learning rate, 0..1, at `step` of a phase of `total` steps.

    Args:
        step: Number of the step, from 0 to total - 1.
        total: Steps of the phase, at least 1.
        shape: Fall of the factor after the warm-up; cosine and linear end near 0, annealed at 0.17.
        warmup: Share of the phase over which the factor rises linearly to 1, 0..1.

    Source: cosine after Loshchilov & Hutter, arXiv 1608.03983, eq. 5, one cycle; linear warm-up after Goyal et al.,
    arXiv 1706.02677, section 2.2; annealed after Ganin et al., JMLR 17(59), 2016, section 5.2.2.
    """
    warm_steps = round(total * warmup)
    if step < warm_steps:
        return (step + 1) / (warm_steps + 1)
    done = (step - warm_steps) / max(1, total - warm_steps)
    if shape == "constant":
        return 1.0
    if shape == "linear":
        return 1.0 - done
    if shape == "annealed":
        return float((1.0 + 10.0 * done) ** -0.75)
    return 0.5 * (1.0 + math.cos(math.pi * done))


def ramp(progress: float) -> float:
    """Computes DANN's lambda at `progress` (0..1) of training: it rises from 0 to nearly 1, steeply at first.

    Source: Ganin et al., JMLR 17(59), 2016, section 5.2.2, lambda with gamma = 10.
    """
    return 2.0 / (1.0 + math.exp(-10.0 * progress)) - 1.0


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
    """Makes the parameter groups of the optimiser: one rate for new modules, falling rates for the trained stages.

    Args:
        stages: All stages, from input to output.
        heads: The head and other new modules, by name.
        train: Names of the trained stages, from input to output. The last gets `lr_backbone`, each one before it
            `lr_decay` times the rate of the one after it.
        lr_head: Peak rate of the modules in `heads`.
        lr_backbone: Peak rate of the last trained stage.
        lr_decay: Factor on the rate from stage to stage, 0..1; 1 gives all stages one rate.
        weight_decay: Weight decay of matrices and kernels; biases and normalisation (vectors) are not decayed, nor are
            the tokens and position embeddings of a vision transformer.

    Returns:
        Groups as torch's optimisers take them; `peak_lr` is the rate that `multiplier` scales.

    Source: Howard & Ruder, arXiv 1801.06146, section 3.2 (discriminative fine-tuning).
    """
    rates = [(name, module, lr_head) for name, module in heads.items()]
    for depth, name in enumerate(reversed(list(train))):
        rates.append((name, stages[name], lr_backbone * lr_decay**depth))
    groups: list[dict[str, Any]] = []
    for name, module, rate in rates:
        parameters = [p for p in module.parameters() if p.requires_grad]
        for decay, chosen in (
            (weight_decay, [p for p in parameters if _is_decayed(p)]),
            (0.0, [p for p in parameters if not _is_decayed(p)]),
        ):
            if chosen:
                groups.append({"params": chosen, "lr": rate, "peak_lr": rate, "weight_decay": decay, "name": name})
    return groups


def _is_decayed(parameter: nn.Parameter) -> bool:
    """Whether weight decay acts: not on vectors, nor on embeddings [1, tokens, width] that are added or put before."""
    return parameter.ndim > 1 and not (parameter.ndim == 3 and parameter.shape[0] == 1)
