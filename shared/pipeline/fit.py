"""From splits to a fitted network, without a run folder: what runs, probes and comparisons of settings share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from shared.config import Config, validate
from shared.data.split import Split
from shared.features.layer_search import FeatureSpec
from shared.models.backbones.build import find_backbone
from shared.models.network import Network
from shared.models.weights import WeightsReport
from shared.pipeline.build import build_network, device_of, find_features, preprocessing_of, stages_built
from shared.progress import Progress
from shared.samples import Dataset
from shared.strategies import find_strategy
from shared.strategies.base import Strategy
from shared.task import Task, positive_classes
from shared.training.job import Job, Target
from shared.training.options import TrainingOptions


def strategy_of(config: Config) -> tuple[Strategy, Any]:
    """The strategy that a configuration names, and its options: checked, and with every default filled in.

    Raises:
        MedtlError: There is no such strategy, or an option is faulty.
    """
    strategy = find_strategy(str(config.strategy.get("name", "finetune")))
    options = validate(strategy.options, config.strategy, origin="strategy")
    strategy.check(options, find_backbone(config.backbone.name).stages)
    if isinstance(options, TrainingOptions):
        options = options.resolved(stages_built(config))
    return strategy, options


def fit(
    task: Task,
    config: Config,
    dataset: Dataset,
    splits: Mapping[str, Split],
    *,
    folder: Path,
    progress: Progress,
    target: Target | None = None,
    watch: Callable[[Job, int], None] = lambda *_: None,
) -> tuple[Job, WeightsReport, list[dict[str, Any]]]:
    """Builds the network that a checked configuration asks for and fits it to "train" and "validation" of `splits`.

    Args:
        task: The application.
        config: The resolved configuration.
        dataset: Of the splits.
        splits: By the names of `SPLITS`; no other is looked at.
        folder: Where an interrupted training is kept.
        progress: Called with (what, done, total, note).
        target: What is seen of a domain to adapt to, or None.
        watch: As `Job.on_epoch_end`.

    Returns:
        What was fitted, the network in it; what became of its weights; and the history.
    """
    strategy, options = strategy_of(config)
    spec, device = preprocessing_of(task, config), device_of(config)
    feature_spec, tried = find_features(config, splits, spec, dataset, device, progress)
    network, loaded = build_network(config, feature_spec, spec, len(dataset.classes))
    job = Job(
        network=network,
        train=splits["train"],
        validation=splits["validation"],
        classes=dataset.classes,
        miss_costs=tuple(config.miss_cost if one else 1.0 for one in positive_classes(task, dataset.classes)),
        spec=spec,
        content_hash=dataset.content_hash,
        fingerprint=dataset.fingerprint,
        augment=partial(task.augment, kind=config.data.augmentation),
        seed=config.seed,
        device=device,
        folder=folder,
        progress=progress,
        weights=config.backbone.weights,
        auxiliary=task.auxiliary,
        target=target,
        on_epoch_end=watch,
    )
    return job, loaded, [*tried, *strategy.fit(job, options)]


def fresh_network(config: Config, job: Job) -> Network:
    """The network that a fitted job began with."""
    network = job.network
    feature_spec = FeatureSpec(network.layers, network.pooling, network.backbone.input_size or job.spec.size)
    return build_network(config, feature_spec, job.spec, len(job.classes))[0]
