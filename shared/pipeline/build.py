"""What an experiment asks for, built: splits with their images, features, network."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from shared.data.partition import SplitData
from shared.data.split import Split
from shared.features.layer_search import FeatureSpec, LayerSearch
from shared.models.backbones.build import build_backbone
from shared.models.backbones.module import Backbone
from shared.models.network import Network, feature_width
from shared.models.weights import WeightsReport, load_weights
from shared.pipeline.preflight import Experiment
from shared.progress import Progress
from shared.samples import Dataset, Grouping
from shared.seeding import derive_seed
from shared.task import Preprocessing, Task


def read_splits(task: Task, data: SplitData, spec: Preprocessing, progress: Progress) -> dict[str, Split]:
    """Reads the images of divided samples, by split."""
    return {
        name: split_of(task, data.dataset, indices, data.units, spec, progress, name)
        for name, indices in data.splits.items()
    }


def split_of(
    task: Task,
    dataset: Dataset,
    indices: NDArray[np.int64],
    units: NDArray[np.int64],
    spec: Preprocessing,
    progress: Progress,
    name: str,
) -> Split:
    """Reads the images of the samples at `indices`.

    Args:
        task: The application.
        dataset: All samples.
        indices: Which samples, as indices into those of `dataset`.
        units: [N] of all samples, as in `shared.data.partition.SplitData`.
        spec: Preprocessing of the images.
        progress: Called with (what, done, total, note).
        name: Name of the split, for the progress.
    """
    index = {name: number for number, name in enumerate(dataset.classes)}
    samples = [dataset.samples[i] for i in indices]
    labels = np.array([-1 if one.label is None else index[one.label] for one in samples], dtype=np.int64)
    images = task.images(samples, spec, dataset.content_hash, partial(_reading, progress, name))
    return Split(samples, images, labels, Grouping.of(samples, units[indices].tolist()))


def _reading(progress: Progress, name: str, done: int, total: int) -> None:
    progress(f"reading images, {name}", done, total, "")


def find_features(
    experiment: Experiment, splits: Mapping[str, Split], dataset: Dataset, progress: Progress
) -> tuple[FeatureSpec, list[dict[str, Any]]]:
    """The layers, pooling and size whose outputs are the features.

    Returns:
        The features, and a row for each that was tried where validation chose them.
    """
    wanted, record = experiment.config.backbone, experiment.backbone
    if wanted.layers != "auto":
        return stated_features(experiment), []

    def build(size: int) -> Backbone:
        return _backbone(experiment, record.feature_layers, size)[0]

    search = LayerSearch(
        train=splits["train"],
        validation=splits["validation"],
        classes=len(dataset.classes),
        spec=experiment.spec,
        content_hash=dataset.content_hash,
        seed=experiment.config.seed,
        device=experiment.device,
        progress=progress,
    )
    return search.best(build, wanted.candidate_sizes or (wanted.size,))


def stated_features(experiment: Experiment) -> FeatureSpec:
    """The features that a configuration states, where validation does not choose them."""
    wanted = experiment.config.backbone
    layers = () if wanted.layers == "auto" else wanted.layers
    return FeatureSpec(layers or (experiment.backbone.default_layer,), wanted.pooling, wanted.size)


def _backbone(experiment: Experiment, layers: tuple[str, ...], size: int) -> tuple[Backbone, WeightsReport]:
    wanted = experiment.config.backbone
    input_size = None if size == experiment.spec.size else size
    backbone = build_backbone(experiment.backbone, layers=layers, seed=experiment.config.seed, input_size=input_size)
    report = load_weights(backbone, wanted.weights, copied=wanted.transfer_stages)
    # 1.05 to 2.2 times as fast on a CPU, in training and in evaluation, for each kind of network measured
    return backbone.to(memory_format=torch.channels_last), report


def build_network(experiment: Experiment, features: FeatureSpec, classes: int) -> tuple[Network, WeightsReport]:
    """Builds the network of an experiment with its weights loaded and a new head.

    Args:
        experiment: The experiment.
        features: Layers, pooling and size.
        classes: Number of classes.

    Returns:
        The network, and what was loaded.
    """
    backbone, report = _backbone(experiment, features.layers, features.size)
    spec = experiment.spec
    width = feature_width(backbone, features.layers, features.pooling, spec.channels, spec.size)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive_seed(experiment.config.seed, "head"))
        network = Network(backbone, features.layers, features.pooling, width, classes)
    return network.to(memory_format=torch.channels_last), report
