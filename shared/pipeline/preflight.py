"""From a configuration to one frozen `Experiment`: every name looked up, every fault told, before data are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from shared.config.read import faults_of, validate
from shared.config.schema import EXPLAINED_IMAGES, Config, DataSection, Screening, Selective
from shared.config.schema import Decision as DecisionSection
from shared.errors import ConfigError, MedtlError
from shared.models.backbones.build import find_backbone
from shared.models.backbones.record import BackboneRecord
from shared.models.pooling import POOLINGS
from shared.registry import unknown_name
from shared.strategies import find_strategy, strategy_names
from shared.strategies.base import Strategy
from shared.task import Preprocessing, Task, positive_classes
from shared.training.options import NO_AUGMENTATION, TrainingOptions
from shared.training.selection import LABEL_FREE


@dataclass(frozen=True)
class Experiment:
    """A configuration with everything that it names looked up and checked; made once, and handed on.

    Attributes:
        task: The application.
        config: The configuration, with the strategy's options and the decision spelled out.
        spec: The preprocessing of its images.
        device: Where it computes.
        backbone: The record of its backbone.
        strategy: How it trains.
        options: The checked options of the strategy.
        decision: How its probabilities become answers.
    """

    task: Task
    config: Config
    spec: Preprocessing
    device: torch.device
    backbone: BackboneRecord
    strategy: Strategy
    options: Any
    decision: Screening | Selective

    def miss_costs(self, classes: tuple[str, ...]) -> tuple[float, ...]:
        """Cost of a mistake on a sample of each class, in false alarms."""
        cost = self.decision.miss_cost if isinstance(self.decision, Screening) else 1.0
        return tuple(cost if positive else 1.0 for positive in positive_classes(self.task, classes))

    @property
    def explained_images(self) -> int:
        """Most test images with masks that every attribution method explains."""
        stated = self.config.explained_images
        return EXPLAINED_IMAGES if stated is None else stated

    def varied(self, *, seed: int | None = None, data: DataSection | None = None) -> Experiment:
        """The same experiment on data that are divided otherwise, or with another seed."""
        changes: dict[str, Any] = {}
        if seed is not None:
            changes["seed"] = seed
        if data is not None:
            changes["data"] = data
        return replace(self, config=self.config.model_copy(update=changes))


def preflight(task: Task, config: Config) -> Experiment:
    """Looks up everything that a configuration names.

    Whether data and weights are there is not asked.

    Raises:
        ConfigError: With every fault in one message.
    """
    if faults := faults_of_run(task, config):
        raise ConfigError("; ".join(faults))
    backbone = find_backbone(config.backbone.name)
    strategy, options = _strategy(config, backbone)
    decision = _decision(task, config)
    spelled_out = {"strategy": options.model_dump(mode="json"), "decision": decision.model_dump(mode="json")}
    return Experiment(
        task=task,
        config=config.model_copy(update=spelled_out),
        spec=_preprocessing(task, config),
        device=_device(config),
        backbone=backbone,
        strategy=strategy,
        options=options,
        decision=decision,
    )


def faults_of_run(task: Task, config: Config) -> list[str]:
    """Everything that keeps a run from being begun, a line a fault; data and weights are not looked for.

    Args:
        task: The application, whose own backbones are registered here.
        config: The configuration of the run.
    """
    task.register_backbones()
    faults = faults_of_strategy(config.strategy)
    faults += faults_of_decision(task, config.decision)
    for check in (_preprocessing, _check_backbone, _check_device):
        faults += _fault(partial(check, task, config))
    # stages that a strategy names are looked up in a backbone that is as it should be
    return faults or list(_faults_of_options(task, config))


def faults_of_strategy(section: Mapping[str, Any]) -> list[str]:
    """Faults of the section `strategy` that no other section has a part in, a line a fault."""
    name = str(section.get("name", "finetune"))
    if name not in strategy_names():
        return [f"strategy.name: {unknown_name('strategy', name, strategy_names())}"]
    return faults_of(find_strategy(name).options, section, "strategy.")


def faults_of_decision(task: Task, section: Mapping[str, Any]) -> list[str]:
    """Faults of the section `decision`, a line a fault; keys of the other kind of task do nothing and are refused."""
    wanted, other = decision_kinds(task)
    idle = sorted(set(section) & (set(other.model_fields) - set(wanted.model_fields)))
    why = "which has no class that must not be missed" if task.positive_name is None else "which screens for a class"
    faults = [
        f"decision.{key}: does nothing in {task.name}, {why}; keys: {', '.join(wanted.model_fields)}" for key in idle
    ]
    return faults + faults_of(wanted, {key: value for key, value in section.items() if key not in idle}, "decision.")


def decision_kinds(task: Task) -> tuple[type[DecisionSection], type[DecisionSection]]:
    """The model of the section `decision` that fits a task, and the one that does not."""
    return (Selective, Screening) if task.positive_name is None else (Screening, Selective)


def _decision(task: Task, config: Config) -> Any:
    return validate(decision_kinds(task)[0], config.decision, origin="decision")


def _fault(check: Callable[[], object]) -> list[str]:
    """The fault that a check raises, or nothing."""
    try:
        check()
    except MedtlError as error:
        return [str(error)]
    return []


def _preprocessing(task: Task, config: Config) -> Preprocessing:
    """The preprocessing that a configuration describes.

    Raises:
        ConfigError: An option is unknown.
    """
    unknown = sorted(set(config.data.options) - set(task.default_options))
    if unknown:
        allowed = ", ".join(task.default_options)
        raise ConfigError(f"data.options: unknown {', '.join(unknown)}; {task.name} knows {allowed}")
    side = config.backbone.store_size or config.backbone.size
    return Preprocessing(side, 1, {**task.default_options, **config.data.options})


def _check_device(task: Task, config: Config) -> None:
    _device(config)


def _device(config: Config) -> torch.device:
    """Where a configuration computes.

    Raises:
        ConfigError: It asks for a GPU, and there is none.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device: cuda was asked for and none is there; use device=auto or device=cpu")
    return torch.device("cuda" if config.device != "cpu" and torch.cuda.is_available() else "cpu")


def _check_backbone(task: Task, config: Config) -> None:
    """Looks up everything that a configuration names of its backbone.

    Raises:
        ConfigError: Something of it does not exist.
    """
    record = find_backbone(config.backbone.name)
    wanted = config.backbone
    for size in (wanted.size, *wanted.candidate_sizes):
        if size < record.min_size:
            raise ConfigError(f"backbone.size: {size}; {record.name} needs at least {record.min_size} pixels")
    for layer in () if wanted.layers == "auto" else wanted.layers:
        if layer not in record.feature_layers:
            known = ", ".join(record.feature_layers)
            raise ConfigError(f"backbone.layers: no layer {layer!r}; {record.name} has {known}")
    for stage in wanted.transfer_stages or ():
        if stage not in record.stages:
            known = ", ".join(record.stages)
            raise ConfigError(f"backbone.transfer_stages: no stage {stage!r}; {record.name} has {known}")
    if wanted.pooling not in POOLINGS:
        raise ConfigError(f"backbone.pooling: {wanted.pooling!r}; allowed: {', '.join(POOLINGS)}")


def _strategy(config: Config, backbone: BackboneRecord) -> tuple[Strategy, Any]:
    """The strategy and its options, with every default filled in and the schedule spelled out."""
    strategy = find_strategy(str(config.strategy.get("name", "finetune")))
    options = validate(strategy.options, config.strategy, origin="strategy")
    strategy.check(options, backbone.stages)
    if isinstance(options, TrainingOptions):
        options = options.resolved(_stages_built(config, backbone))
    return strategy, options


def _stages_built(config: Config, backbone: BackboneRecord) -> tuple[str, ...]:
    """Stages of the backbone that are built in any case; where layers are searched for, the first alone is certain."""
    wanted = config.backbone.layers
    if wanted == "auto":
        return backbone.stages[:1]
    deepest = max(backbone.stages.index(layer) for layer in wanted or (backbone.default_layer,))
    return backbone.stages[: deepest + 1]


def _faults_of_options(task: Task, config: Config) -> Iterator[str]:
    """Faults of the strategy's options against backbone, application and target, a line a fault."""
    try:
        strategy, options = _strategy(config, find_backbone(config.backbone.name))
    except MedtlError as error:
        yield str(error)
        return
    yield from _faults_of_augmentation(task, strategy, options)
    hidden_target = config.data.target is not None and config.data.target.labels != "used"
    if not hidden_target:
        yield from _faults_without_target(strategy, options)


def _faults_of_augmentation(task: Task, strategy: Strategy, options: Any) -> Iterator[str]:
    kind = getattr(options, "augmentation", NO_AUGMENTATION)
    if kind not in (NO_AUGMENTATION, *task.augmentations):
        known = [NO_AUGMENTATION, *task.augmentations]
        yield f"strategy.augmentation: {unknown_name('augmentation', kind, known)}"
    if strategy.needs_augmentation and kind == NO_AUGMENTATION:
        allowed = ", ".join(task.augmentations)
        yield f"strategy.augmentation: {options.name} learns from varied images; choose one of {allowed}"


def _faults_without_target(strategy: Strategy, options: Any) -> Iterator[str]:
    """What only images of an unlabelled target can serve must not be asked for without one."""
    if strategy.needs_target:
        yield f"strategy.name: {options.name} learns from images of a target; set data.target.domain"
    if getattr(options, "batch_norm", None) == "per_domain":
        yield "strategy.batch_norm: per_domain keeps statistics of a target; set data.target.domain"
    selection = getattr(options, "selection", None)
    if selection in LABEL_FREE:
        yield f"strategy.selection: {selection} judges unlabelled images; set data.target.domain"
