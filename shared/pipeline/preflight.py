"""Preflight: checks a configuration and looks up all its names before data are read, into one frozen `Experiment`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from shared.config.read import faults_of, validate
from shared.config.schema import EXPLAINED_IMAGES, BackboneSection, Config, DataSection, Screening, Selective
from shared.config.schema import Decision as DecisionSection
from shared.errors import ConfigError, MedtlError
from shared.models.backbones.build import find_backbone
from shared.models.backbones.record import BackboneRecord
from shared.models.held_stages import fitted_record
from shared.models.pooling import CLASS_POOLINGS, EVIDENCE, POOLINGS
from shared.models.weight_files import RANDOM
from shared.pipeline.nearest import with_nearest
from shared.registry import unknown_name
from shared.strategies import find_strategy, strategy_names
from shared.strategies.base import Strategy
from shared.task import Preprocessing, Task, positive_classes
from shared.tracking import check_tracker
from shared.training.options import NO_AUGMENTATION, TrainingOptions
from shared.training.selection import LABEL_FREE


@dataclass(frozen=True)
class Experiment:
    """A checked configuration, with everything that it names looked up.

    Attributes:
        task: The application.
        config: The configuration, with all defaults of strategy and decision written out.
        spec: Preprocessing of the images.
        device: Device to compute on.
        backbone: Record of the backbone.
        strategy: Strategy of training.
        options: Checked options of the strategy, an instance of its `options` model.
        decision: Checked section by which probabilities become answers.
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
        """Computes the cost of a mistake on each class, in units of one false alarm.

        Args:
            classes: Names of the classes.

        Returns:
            A cost for each class, in their order: `decision.miss_cost` for positive classes under screening, else 1.
        """
        cost = self.decision.miss_cost if isinstance(self.decision, Screening) else 1.0
        return tuple(cost if positive else 1.0 for positive in positive_classes(self.task, classes))

    @property
    def explained_images(self) -> int:
        """The most test images with masks that attribution methods explain for the report."""
        stated = self.config.explained_images
        return EXPLAINED_IMAGES if stated is None else stated

    @property
    def options_learn_masks(self) -> bool:
        """Whether the strategy learns from masks of findings under its options."""
        return isinstance(self.options, TrainingOptions) and self.options.learns_masks

    def varied(self, *, seed: int | None = None, data: DataSection | None = None) -> Experiment:
        """Makes a copy of the experiment with another seed or data section; this one is left as it is.

        Args:
            seed: The new seed; None: as it is.
            data: The new data section; None: as it is.
        """
        changes: dict[str, Any] = {}
        if seed is not None:
            changes["seed"] = seed
        if data is not None:
            changes["data"] = data
        return replace(self, config=self.config.model_copy(update=changes))


def preflight(task: Task, config: Config) -> Experiment:
    """Checks a configuration and looks up everything that it names; data are not looked for, and weights not required.

    Of a weights file that is there only the stages that it holds are read. Where the configuration names a nearer
    network (`backbone.nearest`), the experiment has that one if weights of it are on this machine.

    Args:
        task: The application, whose own backbones are registered here.
        config: The configuration.

    Raises:
        ConfigError: The configuration has faults; the message lists them all.
    """
    if faults := faults_of_run(task, config):
        raise ConfigError("; ".join(faults))
    config = with_nearest(config)
    backbone = _backbone(config)
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
    """Lists all faults of a configuration; data and weights are not looked for.

    Args:
        task: The application, whose own backbones are registered here.
        config: The configuration of the run.

    Returns:
        A line for each fault; empty where there is none.
    """
    task.register_backbones()
    faults = faults_of_strategy(config.strategy)
    faults += faults_of_decision(task, config.decision)
    for check in (_preprocessing, _check_backbone, _check_nearest, _check_device, _check_track):
        faults += _fault(partial(check, task, config))
    # stages that a strategy names can be looked up only in a sound backbone section
    return faults or list(_faults_of_options(task, config))


def faults_of_strategy(section: Mapping[str, Any]) -> list[str]:
    """Lists the faults that the section `strategy` has by itself, whatever the other sections say.

    Args:
        section: The section as plain data; without `name` it is that of finetune.

    Returns:
        A line for each fault; empty where there is none. An unknown name is a fault, too.
    """
    name = str(section.get("name", "finetune"))
    if name not in strategy_names():
        return [f"strategy.name: {unknown_name('strategy', name, strategy_names())}"]
    return faults_of(find_strategy(name).options, section, "strategy.")


def faults_of_decision(task: Task, section: Mapping[str, Any]) -> list[str]:
    """Lists the faults of the section `decision`; keys that only the other kind of task has are refused.

    Args:
        task: The application; states which kind of decision it makes.
        section: The section as plain data.

    Returns:
        A line for each fault; empty where there is none.
    """
    fitting, other = decision_kinds(task)
    idle = sorted(set(section) & (set(other.model_fields) - set(fitting.model_fields)))
    why = "which has no class that must not be missed" if task.positive_name is None else "which screens for a class"
    faults = [
        f"decision.{key}: does nothing in {task.name}, {why}; allowed: {', '.join(fitting.model_fields)}"
        for key in idle
    ]
    return faults + faults_of(fitting, {key: value for key, value in section.items() if key not in idle}, "decision.")


def decision_kinds(task: Task) -> tuple[type[DecisionSection], type[DecisionSection]]:
    """Finds the schema of the section `decision` that fits a task, and the one that does not.

    Args:
        task: The application.

    Returns:
        `Screening`, `Selective` where the task has a class that must not be missed; else `Selective`, `Screening`.
    """
    return (Selective, Screening) if task.positive_name is None else (Screening, Selective)


def _decision(task: Task, config: Config) -> Any:
    """Reads the decision section of a task."""
    return validate(decision_kinds(task)[0], config.decision, origin="decision")


def _fault(check: Callable[[], object]) -> list[str]:
    """The message of a check that fails, as a list; empty where it passes."""
    try:
        check()
    except MedtlError as error:
        return [str(error)]
    return []


def _preprocessing(task: Task, config: Config) -> Preprocessing:
    """Reads the preprocessing of a configuration.

    Raises:
        ConfigError: An option is unknown.
    """
    unknown = sorted(set(config.data.options) - set(task.default_options))
    if unknown:
        allowed = ", ".join(task.default_options)
        raise ConfigError(f"data.options: unknown {', '.join(unknown)}; allowed in {task.name}: {allowed}")
    side = config.backbone.store_size or config.backbone.size
    return Preprocessing(side, task.channels, {**task.default_options, **config.data.options})


def _check_device(task: Task, config: Config) -> None:
    """Checks that the device is there, with the arguments that all checks have."""
    _device(config)


def _check_track(task: Task, config: Config) -> None:
    """Checks that the tracker exists and its library is installed, with the arguments that all checks have."""
    check_tracker(config.track)


def _device(config: Config) -> torch.device:
    """Looks up the device of a configuration.

    Raises:
        ConfigError: A GPU is asked for and there is none.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device: got cuda, and there is no such GPU; use device=auto or device=cpu")
    return torch.device("cuda" if config.device != "cpu" and torch.cuda.is_available() else "cpu")


def _backbone(config: Config) -> BackboneRecord:
    """Looks up the record of the backbone, with the layers that its weights hold where they lie in a file."""
    section = config.backbone
    record = find_backbone(section.name)
    return record if section.transfer_stages is not None else fitted_record(record, section.weights)


def _check_backbone(task: Task, config: Config) -> None:
    """Checks sizes, layers, stages and pooling of the backbone section.

    Raises:
        UnknownNameError: There is no such backbone.
        ConfigError: A size is too small for it, or a layer, stage or pooling does not exist.
    """
    section, record = config.backbone, _backbone(config)
    sizes = [("size", section.size), *(("candidate_sizes", size) for size in section.candidate_sizes)]
    for key, size in sizes:
        if size < record.min_size:
            raise ConfigError(f"backbone.{key}: got {size}; {record.name} needs at least {record.min_size} pixels")
        if record.tokens is not None and (rest := size % record.tokens.side):
            below, side = size - rest, record.tokens.side
            raise ConfigError(
                f"backbone.{key}: got {size}; {record.name} cuts images into patches of {side} pixels, and takes "
                f"multiples of {side}, as {below} or {below + side}"
            )
    for layer in () if section.layers == "auto" else section.layers:
        if layer not in record.feature_layers:
            known = ", ".join(record.feature_layers)
            has = f"backbone.weights={section.weights} holds" if layer in record.absent_stages else f"{record.name} has"
            raise ConfigError(f"backbone.layers: no layer {layer!r}; {has} {known}")
    for stage in section.transfer_stages or ():
        if stage not in record.stages:
            known = ", ".join(record.stages)
            raise ConfigError(f"backbone.transfer_stages: no stage {stage!r}; {record.name} has {known}")
    if section.pooling not in POOLINGS:
        raise ConfigError(f"backbone.pooling: got {section.pooling!r}; allowed: {', '.join(POOLINGS)}")
    if section.pooling in CLASS_POOLINGS and not (record.tokens and record.tokens.has_class):
        allowed = ", ".join(one for one in POOLINGS if one not in CLASS_POOLINGS)
        raise ConfigError(
            f"backbone.pooling: {section.pooling} takes the class token of a vision transformer, and {record.name} has "
            f"none; allowed: {allowed}"
        )


def _check_nearest(task: Task, config: Config) -> None:
    """Checks the nearer network of the backbone section as if it were the network, whether its weights are here or not.

    Raises:
        UnknownNameError: There is no such backbone.
        ConfigError: A size is too small for it, or a layer or pooling does not exist.
    """
    if (nearest := config.backbone.nearest) is not None:
        section = BackboneSection(**nearest.model_dump(), weights=RANDOM)
        _check_backbone(task, config.model_copy(update={"backbone": section}))


def _strategy(config: Config, backbone: BackboneRecord) -> tuple[Strategy, Any]:
    """Looks up the strategy, and reads its options with all defaults and the full schedule."""
    strategy = find_strategy(str(config.strategy.get("name", "finetune")))
    options = validate(strategy.options, config.strategy, origin="strategy")
    strategy.check(options, backbone.stages)
    if isinstance(options, TrainingOptions):
        options = options.resolved(_stages_built(config, backbone))
    return strategy, options


def _stages_built(config: Config, backbone: BackboneRecord) -> tuple[str, ...]:
    """Stages of the backbone that will certainly be built; under `layers: auto` only the first is certain."""
    layers = config.backbone.layers
    if layers == "auto":
        return backbone.stages[:1]
    deepest = max(backbone.stages.index(layer) for layer in layers or (backbone.default_layer,))
    return backbone.stages[: deepest + 1]


def _faults_of_options(task: Task, config: Config) -> Iterator[str]:
    """Yields the faults of the strategy's options against backbone, application and target."""
    try:
        strategy, options = _strategy(config, _backbone(config))
    except MedtlError as error:
        yield str(error)
        return
    yield from _faults_of_augmentation(task, strategy, options)
    if config.decision.get("ood_varied") and not _augments(options):
        yield "decision.ood_varied: does nothing without strategy.augmentation, which varies the images"
    yield from _faults_of_evidence(config, options)
    if config.backbone.mirrored and not isinstance(options, TrainingOptions):
        yield f"backbone.mirrored: {options.name} learns from features of the images alone; leave it out"
    if config.backbone.mirrored and not task.flip_invariant:
        yield f"backbone.mirrored: the mirror image of an input of {task.name} shows something else; leave it out"
    hidden_target = config.data.target is not None and config.data.target.labels != "used"
    if not hidden_target:
        yield from _faults_without_target(strategy, options)


def _augments(options: Any) -> bool:
    """Whether training varies its images."""
    return getattr(options, "augmentation", NO_AUGMENTATION) != NO_AUGMENTATION


def _faults_of_augmentation(task: Task, strategy: Strategy, options: Any) -> Iterator[str]:
    """Yields a fault where the augmentation is unknown, or a strategy that needs one has none."""
    kind = getattr(options, "augmentation", NO_AUGMENTATION)
    if kind not in (NO_AUGMENTATION, *task.augmentations):
        said = f"got {kind!r}, and {task.name} has no augmentation; write strategy.augmentation={NO_AUGMENTATION}"
        if task.augmentations:
            said = unknown_name("augmentation", kind, [NO_AUGMENTATION, *task.augmentations])
        yield f"strategy.augmentation: {said}"
    if strategy.needs_augmentation and kind == NO_AUGMENTATION:
        allowed = f"allowed: {', '.join(task.augmentations)}"
        if not task.augmentations:
            allowed = f"and {task.name} has no augmentation; choose another strategy"
        yield f"strategy.augmentation: got {kind}; {options.name} learns from augmented images, {allowed}"


def _faults_of_evidence(config: Config, options: Any) -> Iterator[str]:
    """Yields a fault where evidence cannot be learnt, or masks are to be learnt without it."""
    has_evidence = config.backbone.pooling == EVIDENCE
    if not has_evidence and getattr(options, "learns_masks", False):
        yield f"strategy.tasks: mask teaches the map of the evidence; set backbone.pooling={EVIDENCE}"
    if not has_evidence:
        return
    if not isinstance(options, TrainingOptions):
        yield f"backbone.pooling: {EVIDENCE} is learnt with the network, and {options.name} keeps that frozen"
    elif options.head == "probe" or options.schedule == "lp_ft":
        yield f"backbone.pooling: {EVIDENCE} is learnt with the network, and no linear probe can begin with it"
    if config.backbone.layers == "auto":
        yield f"backbone.layers: auto searches frozen features, which have no {EVIDENCE}; name the layers"


def _faults_without_target(strategy: Strategy, options: Any) -> Iterator[str]:
    """Yields a fault for each option that needs the unlabelled images of a target."""
    if strategy.needs_target:
        yield f"strategy.name: {options.name} learns from images of a target; set data.target.domain"
    if getattr(options, "batch_norm", None) == "per_domain":
        yield "strategy.batch_norm: per_domain keeps statistics of a target; set data.target.domain"
    selection = getattr(options, "selection", None)
    if selection in LABEL_FREE:
        yield f"strategy.selection: {selection} uses unlabelled images of a target; set data.target.domain"
