"""A depth profile: linear classifiers on the features of a backbone's layers, from the first layer to the last."""

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
from shared.progress import Progress
from shared.task import Preprocessing

MAX_LAYERS, MAX_GRID_LAYERS = 8, 3
"""Layers tried under global average pooling, and how many of the best are tried under poolings that keep a grid too."""
GLOBAL, GRIDS = "avg_1x1", ("avg_2x2", "avg_3x3")


@dataclass(frozen=True)
class LayerResult:
    """A linear classifier on the pooled features of one layer.

    Attributes:
        layer: Name of the layer.
        pooling: Pooling of its maps.
        depth: Position of the layer, 0 for the first to 1 for the last.
        scores: float64 [N, classes], each image scored by a classifier that saw no label of its fold.
        value: The measure of these scores, 0 to 1.
        log_likelihood: Mean log-likelihood of the true classes by these scores, in nats; layers are chosen by it.
    """

    layer: str
    pooling: str
    depth: float
    scores: Values
    value: float
    log_likelihood: float


@dataclass(frozen=True)
class DepthProfile:
    """Linear classifiers on the layers of one frozen backbone.

    Attributes:
        results: All layers and poolings that were tried, by depth.
        log_me: LogME of the last layer under global average pooling.
        h_score: H-score of the last layer under global average pooling.
    """

    results: tuple[LayerResult, ...]
    log_me: float
    h_score: float

    @property
    def last(self) -> LayerResult:
        """The last layer under global average pooling, whose features are the default."""
        return max((one for one in self.results if one.pooling == GLOBAL), key=lambda one: one.depth)

    @property
    def best(self) -> LayerResult:
        """The layer and pooling with the highest log-likelihood; of equals the deepest."""
        return max(self.results, key=lambda one: (one.log_likelihood, one.depth))


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
    wanted = [(layer, pooling) for layer in layers for pooling in ((GLOBAL, *GRIDS) if has_maps[layer] else (GLOBAL,))]
    request = FeatureRequest(
        split.images,
        split.samples,
        spec,
        content_hash,
        device,
        lambda done, total: progress(f"features of {name}", done, total, ""),
    )
    rows = features_of_layers(backbone, wanted, request)

    def measure(layer: str, pooling: str) -> LayerResult:
        features = rows[layer, pooling].block(0, len(split.samples))
        scores = out_of_fold(features, split.labels, len(scorer.positive), folds)
        depth = list(backbone.stages).index(layer) / max(1, len(backbone.stages) - 1)
        return LayerResult(layer, pooling, depth, scores, scorer.value(scores), scorer.log_likelihood(scores))

    results, total = [], len(layers) + MAX_GRID_LAYERS
    for done, layer in enumerate(layers):
        progress(f"linear classifiers on {name}", done, total, layer)
        results.append(measure(layer, GLOBAL))
    likeliest = sorted(results, key=lambda one: -one.log_likelihood)[:MAX_GRID_LAYERS]
    for done, one in enumerate(likeliest, start=len(layers)):
        progress(f"linear classifiers on {name}", done, total, one.layer)
        results += [measure(one.layer, pooling) for pooling in GRIDS if (one.layer, pooling) in rows]
    progress(f"linear classifiers on {name}", total, total, "")
    last = rows[layers[-1], GLOBAL].block(0, len(split.samples))
    results.sort(key=lambda one: (one.depth, one.pooling))
    return DepthProfile(tuple(results), log_me(last, split.labels), h_score(last, split.labels))


def _spread(names: Sequence[str], limit: int) -> list[str]:
    """Picks at most `limit` names in order, evenly spread, the first and the last among them."""
    if len(names) <= limit:
        return list(names)
    return [names[i] for i in np.unique(np.linspace(0, len(names) - 1, limit).round().astype(int))]
