"""A depth profile: linear classifiers on the features of a backbone's layers, from the first layer to the last.

Layers are tried one by one, and the likeliest of them joined: with few images it is chance which single layer looks
best, and joined features lose less to that. Source: docs/lab-log.md, "Joined layers".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from shared.data.split import Split
from shared.experiments.advice.scorer import Scorer, Values
from shared.features.cache import FeatureRequest, features_of_layers
from shared.features.ridge import out_of_fold
from shared.features.transferability import h_score, log_me
from shared.models.backbones.module import Backbone
from shared.models.pooling import CLASS_POOLINGS
from shared.progress import Progress
from shared.task import Preprocessing

MAX_LAYERS, MAX_GRID_LAYERS = 8, 3
"""Layers tried under global average pooling, and how many of the best are tried under others too: those that keep a
grid, and those with the class token."""
GLOBAL, GRIDS = "avg_1x1", ("avg_2x2", "avg_3x3")
JOINED = (2, 3, 4)
"""How many layers are joined, the likeliest first, under each pooling."""


@dataclass(frozen=True)
class LayerResult:
    """A linear classifier on the pooled features of one layer, or of several joined.

    Attributes:
        layers: Names of the layers, from the first to the last.
        pooling: Pooling of their maps.
        depth: Position of the deepest layer, 0 for the first to 1 for the last.
        scores: float64 [N, classes], each image scored by a classifier that saw no label of its fold.
        value: The measure of these scores, 0 to 1.
        log_likelihood: Mean log-likelihood of the true classes by these scores, in nats; layers are chosen by it.
    """

    layers: tuple[str, ...]
    pooling: str
    depth: float
    scores: Values
    value: float
    log_likelihood: float


@dataclass(frozen=True)
class DepthProfile:
    """Linear classifiers on the layers of one frozen backbone.

    Attributes:
        results: All layers, joined layers and poolings that were tried, by depth.
        log_me: LogME of the last layer under global average pooling.
        h_score: H-score of the last layer under global average pooling.
    """

    results: tuple[LayerResult, ...]
    log_me: float
    h_score: float

    @property
    def last(self) -> LayerResult:
        """The last layer under global average pooling, whose features are the default."""
        return max((one for one in self.single if one.pooling == GLOBAL), key=lambda one: one.depth)

    @property
    def single(self) -> list[LayerResult]:
        """The layers alone, under each pooling, by depth."""
        return [one for one in self.results if len(one.layers) == 1]

    @property
    def best(self) -> LayerResult:
        """The layers and pooling with the highest log-likelihood; of equals the fewest layers, then the deepest."""
        return _best(self.results)

    @property
    def best_single(self) -> LayerResult:
        """The single layer and pooling with the highest log-likelihood; of equals the deepest."""
        return _best(self.single)


def depth_profile(
    backbone: Backbone,
    split: Split,
    folds: NDArray[np.int64],
    scorer: Scorer,
    spec: Preprocessing,
    *,
    content_hash: str,
    device: torch.device,
    progress: Progress,
) -> DepthProfile:
    """Measures linear classifiers on layers of a pretrained backbone.

    Args:
        backbone: Built with all its layers; its default layer is its last.
        split: The images.
        folds: int64 [N], number of each image's fold; no group has images in two folds.
        scorer: Measures scores of these images.
        spec: Preprocessing of the images.
        content_hash: Hash of the bytes of the data; the key of features in the cache.
        device: Device on which features are computed.
        progress: Called with (what, done, total, note).
    """
    name, side = backbone.record.name, backbone.input_size or spec.size
    has_maps = backbone.gives_maps(side)
    layers = _spread(list(backbone.stages), MAX_LAYERS)
    tokens = backbone.record.tokens
    others = (*GRIDS, *CLASS_POOLINGS) if tokens and tokens.has_class else GRIDS
    wanted = [(layer, pooling) for layer in layers for pooling in ((GLOBAL, *others) if has_maps[layer] else (GLOBAL,))]
    request = FeatureRequest(
        split.images,
        split.samples,
        spec,
        content_hash,
        device,
        lambda done, total: progress(f"features of {name}", done, total, ""),
    )
    rows = features_of_layers(backbone, wanted, request)

    def measure(names: tuple[str, ...], pooling: str) -> LayerResult:
        features = np.concatenate([rows[one, pooling].block(0, len(split.samples)) for one in names], axis=1)
        scores = out_of_fold(features, split.labels, len(scorer.positive), folds)
        depth = list(backbone.stages).index(names[-1]) / max(1, len(backbone.stages) - 1)
        return LayerResult(names, pooling, depth, scores, scorer.value(scores), scorer.log_likelihood(scores))

    results = list[LayerResult]()

    def tried(names: tuple[str, ...], pooling: str) -> None:
        progress(f"linear classifiers on {name}", len(results), most, " + ".join(names))
        results.append(measure(names, pooling))

    most = len(layers) + len(others) * MAX_GRID_LAYERS + (1 + len(others)) * len(JOINED)
    for layer in layers:
        tried((layer,), GLOBAL)
    for (layer,) in [one.layers for one in _likeliest(results)[:MAX_GRID_LAYERS]]:
        for pooling in others:
            if (layer, pooling) in rows:
                tried((layer,), pooling)
    for names, pooling in joined_layers(results, list(backbone.stages)):
        tried(names, pooling)
    progress(f"linear classifiers on {name}", most, most, "")
    last = rows[layers[-1], GLOBAL].block(0, len(split.samples))
    results.sort(key=lambda one: (one.depth, one.pooling))
    return DepthProfile(tuple(results), log_me(last, split.labels), h_score(last, split.labels))


def joined_layers(results: Sequence[LayerResult], stages: Sequence[str]) -> list[tuple[tuple[str, ...], str]]:
    """Lists which layers are joined: the likeliest ones under each pooling, `JOINED` (2, 3 and 4) of them.

    Args:
        results: Linear classifiers on single layers.
        stages: Names of all layers, from the first to the last.

    Returns:
        Names of the layers in the order of `stages`, and the pooling, of each that is to be tried.
    """
    found = []
    for pooling in dict.fromkeys(one.pooling for one in results):
        ranked = [one.layers[0] for one in _likeliest(results) if one.pooling == pooling]
        found += [
            (tuple(sorted(ranked[:count], key=list(stages).index)), pooling) for count in JOINED if count <= len(ranked)
        ]
    return found


def _best(results: Sequence[LayerResult]) -> LayerResult:
    return max(results, key=lambda one: (one.log_likelihood, -len(one.layers), one.depth))


def _likeliest(results: Sequence[LayerResult]) -> list[LayerResult]:
    """Sorts results by their log-likelihood, the highest first."""
    return sorted(results, key=lambda one: -one.log_likelihood)


def _spread(names: Sequence[str], limit: int) -> list[str]:
    """Picks at most `limit` names in order, evenly spread, the first and the last among them."""
    if len(names) <= limit:
        return list(names)
    return [names[i] for i in np.unique(np.linspace(0, len(names) - 1, limit).round().astype(int))]
