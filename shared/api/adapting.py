"""What an adaptation goes from and to: two domains of one dataset, or two datasets."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from shared.api.arguments import real_of
from shared.errors import ConfigError, UsageError
from shared.registry import check_names

if TYPE_CHECKING:
    from shared.config.schema import Config

FOLDER = "adapt"
"""Folder below that of runs: what is only tried is none of the runs that `models` lists and `predict` may take."""


def strategies() -> Sequence[str]:
    """Lists the strategies that learn from a target, those of the default first."""
    from shared.experiments.adaptation import Plan
    from shared.strategies import target_strategies

    return [*Plan.strategies, *(name for name in target_strategies() if name not in Plan.strategies)]


def choice_rules() -> Sequence[str]:
    """Lists the rules that choose among settings without labels of the target."""
    from shared.adaptation.choice import choice_rules as all_rules

    return all_rules()


def configured_strategies(config: Config) -> tuple[str, ...]:
    """Returns the strategy of a configuration where it learns from a target, else the default of an adaptation.

    Args:
        config: The configuration.
    """
    from shared.experiments.adaptation import Plan
    from shared.strategies import target_strategies

    configured = str(config.strategy.get("name"))
    return (configured,) if configured in target_strategies() else Plan.strategies


def check_choices(given: Sequence[str], rule: str | None) -> None:
    """Checks the strategies and the rule that an adaptation is asked for, before anything is read.

    Args:
        given: Names of strategies; empty: the default.
        rule: Name of a rule; None: the default.

    Raises:
        UsageError: A name does not exist, or a strategy is given twice; the message lists what is allowed.
    """
    if given:
        check_names("--strategy", given, strategies())
    if rule is not None:
        check_names("--rule", [rule], choice_rules())
    if len(set(given)) < len(given):
        raise UsageError(f"--strategy is given {', '.join(given)}; name each once")


def weights_in(value: object) -> dict[str, tuple[float, ...]]:
    """Returns loss weights, one number or several for each strategy, as tuples of numbers above 0.

    Args:
        value: What was given; None: none.

    Raises:
        TypeError: It is no mapping, or a weight is no number.
        UsageError: A name is no strategy that learns from a target, or a weight is not above 0, or given twice.
    """
    if not isinstance(value, Mapping | None):
        raise TypeError(f"loss_weights is {value!r}; give weights by strategy, such as {{'dann': [0.1, 0.3]}}")
    if value:
        check_names("--loss-weight", [str(name) for name in value], strategies())
    return {str(name): tuple(_weights(str(name), given)) for name, given in (value or {}).items()}


def _weights(strategy: str, given: object) -> Iterator[float]:
    seen = set[float]()
    for one in given if isinstance(given, Iterable) and not isinstance(given, str) else [given]:
        weight = real_of(f"a loss weight of {strategy}", one)
        if not 0 < weight < math.inf:
            raise UsageError(f"--loss-weight of {strategy} is {weight:g}; give a number above 0, such as 0.3")
        if weight in seen:
            raise UsageError(f"--loss-weight of {strategy} is {weight:g} twice; name each once")
        seen.add(weight)
        yield weight


def folder_name(config: Config) -> str:
    """Names the folder of an adaptation after its source and target, so that each pair has one of its own.

    Args:
        config: The configuration of the adaptation, with a target domain.

    Returns:
        A folder name without a path, `NAME-SOURCES-to-TARGET-seedN`: sources are joined by `+`, or `all` where none is
        named; characters other than letters, digits and `._+-` become `-`.
    """
    data = config.data
    origin = "+".join(name for name in data.collections or data.domains if name != data.target_domain)
    name = f"{config.name}-{origin or 'all'}-to-{data.target_domain}-seed{config.seed}"
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", name)


def between(config: Config, source: str | None, target: str | None, *, unlabelled: bool = False) -> Config:
    """Sets source and target in a configuration: two domains of its data, or two datasets.

    Args:
        config: The configuration to change.
        source: A domain, or the path of a dataset; None: as configured.
        target: A domain, or the path of a dataset; None: as configured.
        unlabelled: Whether the target has no labels.

    Returns:
        The changed configuration.

    Raises:
        UsageError: One is a path and the other is none, or both are the same.
        ConfigError: They are two datasets, and the configuration names others.
    """
    data = config.data
    if target is None:
        if source is not None:
            raise UsageError("--source needs a --target")
        return _with_target(config, data.target_domain, unlabelled=unlabelled) if data.target else config
    if source is not None and Path(source).resolve() == Path(target).resolve():
        raise UsageError(f"--source and --target are both {target!r}; there is nothing to adapt to")
    if not Path(target).exists():
        if _like_a_path(target) or (source is not None and Path(source).exists()):
            raise UsageError(f"--target {target!r} does not exist; name two paths or two domains")
        domains = data.domains if source is None else (source, target)
        changed = config.model_copy(update={"data": data.model_copy(update={"domains": domains})})
        return _with_target(changed, target, unlabelled=unlabelled)
    if source is None or not Path(source).exists():
        raise UsageError(f"--target is a path; name the path of the labelled data with --source, not {source!r}")
    if data.source is not None or data.collections:
        raise ConfigError("--source and --target are paths; leave out data.source and data.collections")
    names = [Path(source).stem, Path(target).stem]
    if names[0] == names[1]:
        names = ["source", "target"]
    collections = dict(zip(names, (source, target), strict=True))
    changed = config.model_copy(update={"data": data.model_copy(update={"collections": collections})})
    return _with_target(changed, names[1], unlabelled=unlabelled)


def _with_target(config: Config, domain: str | None, *, unlabelled: bool) -> Config:
    """Sets the target's domain; its labels are absent if `unlabelled`, else as configured, else hidden."""
    from shared.config.schema import TargetSection

    stated = config.data.target
    labels = "absent" if unlabelled else "hidden" if stated is None else stated.labels
    section = TargetSection(domain=str(domain), labels=labels)
    return config.model_copy(update={"data": config.data.model_copy(update={"target": section})})


def _like_a_path(name: str) -> bool:
    """Whether a name can only be meant as a path; domains are named in words."""
    return name.startswith(("/", ".", "~")) or name.endswith((".zip", ".csv", "/"))
