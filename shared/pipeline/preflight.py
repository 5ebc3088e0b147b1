"""What in a configuration cannot be, told before any data are read: options of the strategy, names, what needs what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from shared.config import Config, faults_of
from shared.errors import ConfigError, MedtlError
from shared.pipeline.build import check_augmentation, check_backbone, preprocessing_of
from shared.pipeline.fit import strategy_of
from shared.registry import unknown_name
from shared.strategies import find_strategy, strategy_names
from shared.task import Task
from shared.training.selection import LABEL_FREE

OF_TARGET = ("adabn", "mean_teacher")
"""Strategies that can do nothing without a target; the others align the domains that there are."""


def faults_of_run(task: Task, config: Config) -> list[str]:
    """What keeps a run from being begun, a line a fault; whether data and weights are there is not asked.

    Args:
        task: The application, whose own backbones are registered.
        config: Of the run.
    """
    faults = faults_of_strategy(config.strategy)
    faults += _told(partial(preprocessing_of, task, config))
    faults += _told(partial(check_augmentation, task, config))
    faults += _told(partial(check_backbone, config))
    # what a strategy says of stages is looked up in a backbone that is as it should be
    return faults or _told(partial(_check_strategy, config))


def faults_of_strategy(section: Mapping[str, Any]) -> list[str]:
    """What is wrong with the section `strategy` whatever the backbone is, a line a fault."""
    name = str(section.get("name", "finetune"))
    if name not in strategy_names():
        return [f"strategy.name: {unknown_name('strategy', name, strategy_names())}"]
    return [f"strategy.{fault}" for fault in faults_of(find_strategy(name).options, section)]


def _told(check: Callable[[], object]) -> list[str]:
    """The fault that a check raises."""
    try:
        check()
    except MedtlError as error:
        return [str(error)]
    return []


def _check_strategy(config: Config) -> None:
    """Looks up the strategy's names; what only an unlabelled target can answer must not be asked without one.

    Raises:
        MedtlError: A name does not exist, or there is no such target.
    """
    _, options = strategy_of(config)
    if config.data.target is not None and not config.data.target_labels:
        return
    if config.reverse_validation:
        raise ConfigError("reverse_validation needs data.target, and without its labels")
    if options.name in OF_TARGET:
        raise ConfigError(f"strategy.name: {options.name} learns from images of a target; set data.target")
    if getattr(options, "batch_norm", None) == "per_domain":
        raise ConfigError("strategy.batch_norm: per_domain keeps statistics of a target; set data.target")
    selection = getattr(options, "selection", None)
    if selection in LABEL_FREE:
        raise ConfigError(f"strategy.selection: {selection} judges unlabelled images; it needs data.target")
