"""How well a linear classifier does on the features of a backbone, from its first layers to its last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from shared.data.split import Split
from shared.experiments.advice.judge import Judge, Values
from shared.features.cache import FeatureRequest, features_of_layers
from shared.features.ridge import out_of_fold
from shared.features.transferability import h_score, log_me
from shared.models.backbones.module import Backbone
from shared.progress import Progress
from shared.task import Preprocessing

MOST_LAYERS, FINER = 8, 3
"""Layers that are tried under a global average, and how many of the best are tried with some layout kept too."""
GLOBAL, LAYOUTS = "avg_1x1", ("avg_2x2", "avg_3x3")


@dataclass(frozen=True)
class Tried:
    """A linear classifier on one code.

    Attributes:
        layer: Of the backbone.
        pooling: Of its maps.
        depth: Of the layer, 0 for the first and 1 for the last.
        scores: [N, classes], each image by a classifier that saw no label of its fold.
        value: What the judge says of them.
    """

    layer: str
    pooling: str
    depth: float
    scores: Values
    value: float


@dataclass(frozen=True)
class Profile:
    """A backbone without training.

    Attributes:
        tried: All features, in the order of depth.
        log_me: Of its default code.
        h_score: Of its default code.
    """

    tried: tuple[Tried, ...]
    log_me: float
    h_score: float

    @property
    def last(self) -> Tried:
        """The default code: the last layer under a global average."""
        return max((one for one in self.tried if one.pooling == GLOBAL), key=lambda one: one.depth)

    @property
    def best(self) -> Tried:
        """The code under which the linear classifier does best; of equals the deepest."""
        return max(self.tried, key=lambda one: (one.value, one.depth))


def depth_profile(
    backbone: Backbone,
    split: Split,
    folds: NDArray[np.int64],
    judge: Judge,
    spec: Preprocessing,
    *,
    content_hash: str,
    device: torch.device,
    progress: Progress,
) -> Profile:
    """Tries layers of a pretrained backbone that was built with all of them.

    Args:
        backbone: Its default layer is its last.
        split: The images.
        folds: [N] number of the fold of each; no group stands in two.
        judge: Of these images.
        spec: Their preprocessing.
        content_hash: Of the bytes of the data.
        device: Where to compute features.
        progress: Called with (what, done, total, note).
    """
    name, side = backbone.record.name, backbone.input_size or spec.size
    maps = backbone.gives_maps(side)
    names = _spread(list(backbone.stages), MOST_LAYERS)
    wanted = [(layer, pooling) for layer in names for pooling in ((GLOBAL, *LAYOUTS) if maps[layer] else (GLOBAL,))]
    reading = partial(_reading, progress, name)
    request = FeatureRequest(split.images, split.samples, spec, content_hash, device, reading)
    rows = features_of_layers(backbone, wanted, request)
    classes = len(judge.positive)

    def tried(layer: str, pooling: str) -> Tried:
        features = rows[layer, pooling].block(0, len(split.samples))
        scores = out_of_fold(features, split.labels, classes, folds)
        depth = list(backbone.stages).index(layer) / max(1, len(backbone.stages) - 1)
        return Tried(layer, pooling, depth, scores, judge.value(scores))

    found = []
    for done, layer in enumerate(names):
        progress(f"linear classifiers on {name}", done, len(names) + FINER, layer)
        found.append(tried(layer, GLOBAL))
    for done, one in enumerate(_finer(found)):
        progress(f"linear classifiers on {name}", len(names) + done, len(names) + FINER, one.layer)
        found += [tried(one.layer, pooling) for pooling in LAYOUTS if (one.layer, pooling) in rows]
    progress(f"linear classifiers on {name}", len(names) + FINER, len(names) + FINER, "")
    usual = rows[names[-1], GLOBAL].block(0, len(split.samples))
    found.sort(key=lambda one: (one.depth, one.pooling))
    return Profile(tuple(found), log_me(usual, split.labels), h_score(usual, split.labels))


def _spread(names: Sequence[str], most: int) -> list[str]:
    """At most `most` of the names, the first and the last among them, evenly spread, in order."""
    if len(names) <= most:
        return list(names)
    return [names[i] for i in np.unique(np.linspace(0, len(names) - 1, most).round().astype(int))]


def _finer(found: Sequence[Tried]) -> list[Tried]:
    return sorted(found, key=lambda one: -one.value)[:FINER]


def _reading(progress: Progress, name: str, done: int, total: int) -> None:
    progress(f"features of {name}", done, total, "")
