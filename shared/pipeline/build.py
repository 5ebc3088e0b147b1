"""Builders of an experiment's parts: splits with their images, feature layers, network with weights."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from shared.data.folds import Folds
from shared.data.partition import SplitData
from shared.data.split import Split
from shared.features.layer_search import FeatureSpec, LayerSearch
from shared.models.backbones.build import build_backbone
from shared.models.backbones.module import Backbone
from shared.models.network import Network, feature_width
from shared.models.weights import WeightsReport, check_weights, load_weights
from shared.pipeline.preflight import Experiment
from shared.progress import Progress
from shared.samples import Dataset, Grouping
from shared.seeding import derive_seed
from shared.task import Preprocessing, Task


def read_splits(task: Task, data: SplitData, spec: Preprocessing, progress: Progress) -> dict[str, Split]:
    """Reads the images of every split.

    Args:
        task: The application.
        data: The samples and their splits.
        spec: Preprocessing of the images.
        progress: Called with (what, done, total, note).

    Returns:
        By name of the split, its samples with images and labels.
    """
    return {
        name: split_of(task, data.dataset, indices, data.units, spec, progress, name, _unjudged(data, name))
        for name, indices in data.splits.items()
    }


def _unjudged(data: SplitData, name: str) -> Collection[int]:
    return data.left_out[name].positive if name in data.left_out else ()


def split_of(
    task: Task,
    dataset: Dataset,
    indices: NDArray[np.int64],
    units: NDArray[np.int64],
    spec: Preprocessing,
    progress: Progress,
    name: str,
    unjudged: Collection[int] = (),
) -> Split:
    """Reads the images of some samples as one split; the label of a sample without one is -1.

    Args:
        task: The application.
        dataset: All samples.
        indices: int64, indices of the split's samples in `dataset`.
        units: int64 [N], independent unit of each sample of `dataset`, as in `shared.data.partition.SplitData`.
        spec: Preprocessing of the images.
        progress: Called with (what, done, total, note).
        name: Name of the split, shown with the progress.
        unjudged: Indices of those samples that `predict` leaves out.
    """
    index = {name: number for number, name in enumerate(dataset.classes)}
    samples = [dataset.samples[i] for i in indices]
    labels = np.array([-1 if one.label is None else index[one.label] for one in samples], dtype=np.int64)
    images = task.images(samples, spec, dataset.content_hash, partial(_report_reading, progress, name))
    flags = [i in unjudged for i in indices.tolist()]
    return Split(samples, images, labels, Grouping.of(samples, units[indices].tolist(), flags))


def _report_reading(progress: Progress, name: str, done: int, total: int) -> None:
    progress(f"reading images, {name}", done, total, "")


def check_fit(experiment: Experiment) -> None:
    """Checks that the weights of an experiment fit its backbone, before any image is read.

    Args:
        experiment: The checked configuration; its weights are a file or a run that is there.

    Raises:
        WeightsError: The file is damaged, or of another network.
    """
    section, record = experiment.config.backbone, experiment.backbone
    layers = record.feature_layers if section.layers == "auto" else stated_features(experiment).layers
    backbone = build_backbone(record, layers=layers, seed=experiment.config.seed, input_size=section.size)
    check_weights(backbone, section.weights, copied=section.transfer_stages)


def find_features(
    experiment: Experiment,
    splits: Mapping[str, Split],
    dataset: Dataset,
    progress: Progress,
    folds: Folds | None = None,
) -> tuple[FeatureSpec, list[dict[str, Any]]]:
    """Determines layers, pooling and input size of the features: as configured, or by a search under `layers: auto`.

    Args:
        experiment: The checked configuration.
        splits: "train" and "validation", on which a search scores its candidates.
        dataset: The dataset of the splits.
        progress: Called with (what, done, total, note).
        folds: Folds of the training images, which score the candidates in place of validation; where none can be held
            out, the backbone's default layer is taken. None: validation scores them.

    Returns:
        The features, and the history of the search: a row for each candidate, none without a search.
    """
    section, record = experiment.config.backbone, experiment.backbone
    if section.layers != "auto" or (folds is not None and not folds.count):
        return stated_features(experiment), []

    def build(size: int) -> Backbone:
        return _build_backbone(experiment, record.feature_layers, size)[0]

    search = LayerSearch(
        train=splits["train"],
        validation=splits["validation"],
        classes=len(dataset.classes),
        spec=experiment.spec,
        content_hash=dataset.content_hash,
        seed=experiment.config.seed,
        device=experiment.device,
        progress=progress,
        folds=folds,
    )
    return search.best(build, section.candidate_sizes or (section.size,))


def stated_features(experiment: Experiment) -> FeatureSpec:
    """Reads layers, pooling and input size of the features from a configuration.

    Where it names no layers, or `auto`, the backbone's default layer is taken.

    Args:
        experiment: The checked configuration.
    """
    section = experiment.config.backbone
    layers = () if section.layers == "auto" else section.layers
    return FeatureSpec(layers or (experiment.backbone.default_layer,), section.pooling, section.size)


def _build_backbone(experiment: Experiment, layers: tuple[str, ...], size: int) -> tuple[Backbone, WeightsReport]:
    """Builds the backbone up to the deepest layer and loads its weights; the report says what was loaded."""
    section = experiment.config.backbone
    backbone = build_backbone(experiment.backbone, layers=layers, seed=experiment.config.seed, input_size=size)
    report = load_weights(backbone, section.weights, copied=section.transfer_stages, stated=section.pretrained_on)
    # 1.05 to 2.2 times as fast on a CPU, in training and in evaluation, for each kind of network measured
    return backbone.to(memory_format=torch.channels_last), report


def build_network(experiment: Experiment, features: FeatureSpec, classes: int) -> tuple[Network, WeightsReport]:
    """Builds the network of an experiment: backbone with pretrained weights, pooling, and a new head.

    Args:
        experiment: The checked configuration.
        features: Layers, pooling and input size of the features.
        classes: Number of classes, the outputs of the head.

    Returns:
        The network, and a report of the weights that were loaded.
    """
    backbone, report = _build_backbone(experiment, features.layers, features.size)
    spec = experiment.spec
    width = feature_width(backbone, features.layers, features.pooling, spec.channels, spec.size)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive_seed(experiment.config.seed, "head"))
        network = Network(
            backbone, features.layers, features.pooling, width, classes, mirrored=experiment.config.backbone.mirrored
        )
    return network.to(memory_format=torch.channels_last), report
