"""Fitting a network to splits, without a run folder: used by runs, by advice and by benchmarks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from shared.data.folds import Folds
from shared.data.split import Split
from shared.features.layer_search import FeatureSpec
from shared.models.network import Network
from shared.models.weights import WeightsReport
from shared.pipeline.build import build_network, find_features
from shared.pipeline.cross_fitting import cross_fit
from shared.pipeline.preflight import Experiment
from shared.pipeline.scores import Scores
from shared.progress import Progress
from shared.samples import Dataset
from shared.training.augmented import Augment
from shared.training.job import Job, OnRow, Target
from shared.training.options import NO_AUGMENTATION


@dataclass(frozen=True)
class Fitted:
    """A network that was fitted to splits.

    Attributes:
        job: The job with its trained network.
        weights: Report of the pretrained weights that were loaded.
        history: A row for each candidate of a layer search, then a row for each epoch.
        out_of_fold: Scores of the training images by networks that were trained without them; None where no fold was
            held out.
    """

    job: Job
    weights: WeightsReport
    history: list[dict[str, Any]]
    out_of_fold: Scores | None = None


def fit(
    experiment: Experiment,
    dataset: Dataset,
    splits: Mapping[str, Split],
    *,
    folder: Path,
    progress: Progress,
    target: Target | None = None,
    on_epoch_end: Callable[[Job, int], None] = lambda *_: None,
    on_row: OnRow = lambda *_: None,
    folds: Folds | None = None,
) -> Fitted:
    """Builds the network of an experiment and trains it.

    Args:
        experiment: The checked configuration.
        dataset: The dataset of the splits.
        splits: "train" and "validation"; others are not used.
        folder: Folder of the checkpoint from which an interrupted training resumes.
        progress: Called with (what, done, total, note).
        target: Images of the domain to adapt to; None: no adaptation.
        on_epoch_end: Called with the job and the number of the epoch, as `Job.on_epoch_end`.
        on_row: Called with the number and the row of each epoch, as `Job.on_row`; not where folds choose, whose
            trainings have other rows than the history.
        folds: Folds of the training images, which choose in place of validation; None: validation chooses.
    """
    features, candidates = find_features(experiment, splits, dataset, progress, folds)
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
        augments_batches=_augmentation(experiment) in experiment.task.batched_augmentations,
        seed=config.seed,
        device=experiment.device,
        folder=folder,
        progress=progress,
        folded_batch_norm=loaded.folded_batch_norm,
        weights=config.backbone.weights,
        varying=experiment.task.varying,
        auxiliary=experiment.task.auxiliary,
        target=target,
        on_epoch_end=on_epoch_end,
        on_row=on_row if folds is None else lambda *_: None,
        folds=folds,
    )
    out_of_fold = None
    if folds is None:
        history = experiment.strategy.fit(job, experiment.options)
    else:
        history, out_of_fold = cross_fit(experiment.strategy, job, experiment.options)
    return Fitted(job, loaded, [*candidates, *history], out_of_fold)


def _augment(experiment: Experiment) -> Augment | None:
    """The augmentation of training images that the options name; None where they name none."""
    kind = _augmentation(experiment)
    return None if kind == NO_AUGMENTATION else partial(experiment.task.augment, kind=kind)


def _augmentation(experiment: Experiment) -> str:
    """Name of the augmentation of training images."""
    return str(getattr(experiment.options, "augmentation", NO_AUGMENTATION))


def fresh_network(experiment: Experiment, job: Job) -> Network:
    """Rebuilds the network of a finished job as it was before training: pretrained backbone and new head.

    Args:
        experiment: The checked configuration.
        job: The job, whose network states the layers, pooling and size.
    """
    network = job.network
    features = FeatureSpec(network.layers, network.pooling, network.backbone.input_size or job.spec.size)
    return build_network(experiment, features, len(job.classes))[0]
