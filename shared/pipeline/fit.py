"""From splits to a fitted network, without a run folder: what runs, probes and comparisons of settings share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from shared.data.split import Split
from shared.features.layer_search import FeatureSpec
from shared.models.network import Network
from shared.models.weights import WeightsReport
from shared.pipeline.build import build_network, find_features
from shared.pipeline.preflight import Experiment
from shared.progress import Progress
from shared.samples import Dataset
from shared.task import Image
from shared.training.job import Job, Target
from shared.training.options import NO_AUGMENTATION


def fit(
    experiment: Experiment,
    dataset: Dataset,
    splits: Mapping[str, Split],
    *,
    folder: Path,
    progress: Progress,
    target: Target | None = None,
    on_epoch_end: Callable[[Job, int], None] = lambda *_: None,
) -> tuple[Job, WeightsReport, list[dict[str, Any]]]:
    """Builds the network of an experiment and fits it to "train" and "validation" of `splits`.

    Args:
        experiment: The experiment.
        dataset: The dataset that the splits are of.
        splits: By the names of `SPLITS`; no other is looked at.
        folder: Where an interrupted training is kept.
        progress: Called with (what, done, total, note).
        target: What may be seen of a domain to adapt to, or None.
        on_epoch_end: As `Job.on_epoch_end`.

    Returns:
        The job with its fitted network; what became of the pretrained weights; and the history, a row an epoch.
    """
    features, tried = find_features(experiment, splits, dataset, progress)
    network, loaded = build_network(experiment, features, len(dataset.classes))
    config = experiment.config
    job = Job(
        network=network,
        train=splits["train"],
        validation=splits["validation"],
        classes=dataset.classes,
        miss_costs=experiment.miss_costs(dataset.classes),
        spec=experiment.spec,
        content_hash=dataset.content_hash,
        fingerprint=dataset.fingerprint,
        augment=_augment(experiment),
        seed=config.seed,
        device=experiment.device,
        folder=folder,
        progress=progress,
        weights=config.backbone.weights,
        auxiliary=experiment.task.auxiliary,
        target=target,
        on_epoch_end=on_epoch_end,
    )
    return job, loaded, [*tried, *experiment.strategy.fit(job, experiment.options)]


def _augment(experiment: Experiment) -> Callable[[Image, int], Image] | None:
    """The random variation of training images that the options name; None where they ask for none."""
    kind = getattr(experiment.options, "augmentation", NO_AUGMENTATION)
    return None if kind == NO_AUGMENTATION else partial(experiment.task.augment, kind=kind)


def fresh_network(experiment: Experiment, job: Job) -> Network:
    """The network that a fitted job began with."""
    network = job.network
    features = FeatureSpec(network.layers, network.pooling, network.backbone.input_size or job.spec.size)
    return build_network(experiment, features, len(job.classes))[0]
