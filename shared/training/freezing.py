"""Freezing: which stages of a network train, and how a network is put into that state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from shared.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

BatchNormOption = Literal["auto", "train", "freeze_stats", "freeze_all"]
"""What changes in the BatchNorm of trained stages: what the weights allow (`batch_norm_policy`), statistics and
weights, weights alone, or neither."""
DomainBatchNormOption = Literal["auto", "train", "freeze_stats", "freeze_all", "per_domain"]
"""As `BatchNormOption`, or with separate statistics for source and target, for strategies that see a target."""
BatchNormPolicy = Literal["train", "freeze_stats", "freeze_all", "per_domain"]
"""As `DomainBatchNormOption`, once settled."""


def resolve_stages(rule: str | Sequence[str], stages: Sequence[str]) -> tuple[str, ...]:
    """Lists the names of the stages that train, from input to output.

    Args:
        rule: "all", "none", "last:N", or names of stages, as written in a configuration.
        stages: Names of all stages of the backbone, from input to output.

    Raises:
        ConfigError: A name that is no stage of this backbone, or a rule of another form.
    """
    if rule == "all":
        return tuple(stages)
    if rule == "none":
        return ()
    if isinstance(rule, str):
        word, _, count = rule.partition(":")
        if word != "last" or not count.isdigit() or not 1 <= int(count) <= len(stages):
            raise ConfigError(f"train: {rule!r}; allowed: all, none, last:1 to last:{len(stages)}, or a list of stages")
        return tuple(stages[-int(count) :])
    unknown = [name for name in rule if name not in stages]
    if unknown:
        raise ConfigError(f"train: no stage {', '.join(unknown)}; this backbone has {', '.join(stages)}")
    return tuple(name for name in stages if name in rule)


def batch_norm_policy(option: DomainBatchNormOption, *, folded: bool) -> BatchNormPolicy:
    """Settles what changes in BatchNorm: as the option says, and under "auto" what the weights allow.

    Args:
        option: The option `batch_norm`.
        folded: Whether BatchNorm was folded into the convolutions of the weights. Their statistics, mean 0 and variance
            1, are not those of any layer's outputs, so that one step in training mode ends what the weights had learnt.
    """
    if option == "auto":
        return "freeze_stats" if folded else "train"
    return option


def set_trainable(
    stages: nn.ModuleDict, head: nn.Module, train: Sequence[str], batch_norm: BatchNormPolicy = "train"
) -> None:
    """Switches gradients on for the head and the named stages, and off for all other stages.

    Args:
        stages: All stages of the backbone, by name.
        head: The head of the network.
        train: Names of the stages that train; a name that is no stage has no effect.
        batch_norm: Under "freeze_all", gradients of the scale and shift of BatchNorm are off in all stages.
    """
    head.requires_grad_(True)
    for name, stage in stages.items():
        stage.requires_grad_(name in train)
        if batch_norm == "freeze_all":
            for norm in _batch_norms(stage):
                norm.requires_grad_(False)


def set_mode(stages: nn.ModuleDict, head: nn.Module, train: Sequence[str], batch_norm: BatchNormPolicy) -> None:
    """Puts the head and the trained stages into training mode and the frozen stages into evaluation mode.

    A frozen stage keeps its BatchNorm statistics and applies no dropout.

    Args:
        stages: All stages of the backbone, by name.
        head: The head of the network.
        train: Names of the stages that train.
        batch_norm: Under "freeze_stats" or "freeze_all" the trained stages keep their BatchNorm statistics too: few
            images, or weights with BatchNorm folded in, need that. "per_domain" is like "train" here;
            `shared.strategies._domain_batchnorm` keeps those statistics.
    """
    head.train()
    for name, stage in stages.items():
        stage.train(name in train)
        if batch_norm in ("freeze_stats", "freeze_all"):
            for norm in _batch_norms(stage):
                norm.eval()


def _batch_norms(stage: nn.Module) -> list[nn.Module]:
    from torch.nn.modules.batchnorm import _BatchNorm

    return [module for module in stage.modules() if isinstance(module, _BatchNorm)]
