"""Finds the layers, pooling and input size whose features serve a linear head best on validation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax

from shared.data.split import Split
from shared.evaluation.calibration import fit_temperature
from shared.features.cache import FeatureBlocks, FeatureRequest, features_of_layers
from shared.features.lbfgs import InMemoryFeatures
from shared.features.linear import LinearHead, regularisation_path
from shared.io.array_store import ArrayView
from shared.models.backbones.module import Backbone
from shared.progress import Progress
from shared.seeding import generator
from shared.task import Preprocessing
from shared.training.selection import RULES

POOLINGS = ("avg_1x1", "avg_2x2", "avg_3x3")
PENALTIES = (1e-1, 1e-2, 1e-3)
TRAIN_A_CLASS, VALIDATION = 60, 2_000
"""Images of a choice: heads on 60 a class rank layers of DHCD as heads on 1,700 do (docs/lab-log.md, 2026-11-25)."""


@dataclass(frozen=True)
class FeatureSpec:
    """Which outputs of a backbone are the features.

    Attributes:
        layers: Stages whose pooled outputs are concatenated.
        pooling: One of `shared.models.pooling.POOLINGS`.
        size: Side of the network's input, in pixels.
    """

    layers: tuple[str, ...]
    pooling: str
    size: int


@dataclass(frozen=True)
class LayerSearch:
    """A search for the features under which a linear softmax does best on validation.

    Attributes:
        train: Heads are fitted to up to `TRAIN_A_CLASS` images a class of it.
        validation: Up to `VALIDATION` images of it judge them.
        classes: Number of classes.
        spec: Preprocessing of the images.
        content_hash: Hash over the bytes of the data.
        seed: Seed of the draw of images.
        device: Where to compute.
        progress: Called with (what, done, total, note).
    """

    train: Split
    validation: Split
    classes: int
    spec: Preprocessing
    content_hash: str
    seed: int
    device: torch.device
    progress: Progress

    def best(self, build: Callable[[int], Backbone], sizes: Sequence[int]) -> tuple[FeatureSpec, list[dict[str, Any]]]:
        """Tries every layer alone and the best one with each other, under each pooling and at each size.

        Args:
            build: Gives the pretrained backbone with all its stages, for an input size.
            sizes: Sides of the network's input to try; at least one.

        Returns:
            The best features, and a row for each that was tried: layers, pooling, size and validation score.
        """
        learnt = _few_a_class(self.train, TRAIN_A_CLASS, self.seed)
        judged = _few(self.validation, VALIDATION, self.seed)
        found = [pair for size in sizes for pair in self._at_size(build(size), size, learnt, judged)]
        best = max(found, key=lambda pair: pair[0])[1]
        return best, [{**_row(spec), "validation_score": score} for score, spec in found]

    def _at_size(self, backbone: Backbone, size: int, learnt: Split, judged: Split) -> list[tuple[float, FeatureSpec]]:
        """Scores at one size: of all stages alone, in one pass over the images, and of pairs with the best of them."""
        singles = list(_singles(backbone, size))
        wanted = [(spec.layers[0], spec.pooling) for spec in singles]
        reading = partial(_reading, self.progress, size)
        tables = [
            features_of_layers(
                backbone,
                wanted,
                FeatureRequest(split.images, split.samples, self.spec, self.content_hash, self.device, reading),
            )
            for split in (learnt, judged)
        ]
        trial = _Trial(tables, learnt.labels, judged.labels, self.classes, self.device)
        found = [(trial.score(spec), spec) for spec in _shown(singles, self.progress, f"layers at {size} px")]
        top = max(found, key=lambda pair: pair[0])[1]
        pairs = [replace(top, layers=(top.layers[0], other)) for other in backbone.stages if other != top.layers[0]]
        pairs = [spec for spec in pairs if (spec.layers[1], spec.pooling) in tables[0]]
        shown = _shown(pairs, self.progress, f"pairs of layers at {size} px")
        return found + [(trial.score(spec), spec) for spec in shown]


class _Trial:
    """Heads on features that lie in the cache."""

    def __init__(
        self,
        tables: Sequence[dict[tuple[str, str], ArrayView]],
        train_labels: NDArray[np.int64],
        validation_labels: NDArray[np.int64],
        classes: int,
        device: torch.device,
    ) -> None:
        self.tables, self.classes, self.device = tables, classes, device
        self.train_labels = torch.from_numpy(train_labels).to(device)
        self.validation_labels = validation_labels

    def score(self, spec: FeatureSpec) -> float:
        """Mean log-likelihood on validation of the best head on some features."""
        train, validation = (
            FeatureBlocks([table[layer, spec.pooling] for layer in spec.layers]).block(0, 1 << 62).to(self.device)
            for table in self.tables
        )

        def judge(head: LinearHead) -> float:
            scores = head.scores(validation).cpu().numpy().astype(np.float64)
            temperature = fit_temperature(scores, self.validation_labels)
            return RULES.get("log_likelihood")(softmax(scores / temperature, axis=1), self.validation_labels)

        _, rows = regularisation_path(
            InMemoryFeatures(train), self.train_labels, self.classes, loss="softmax", score=judge, penalties=PENALTIES
        )
        return max(float(row["validation_score"]) for row in rows)


def _singles(backbone: Backbone, size: int) -> Iterator[FeatureSpec]:
    """Every stage alone; those that end in vectors have nothing to pool."""
    for layer, is_map in backbone.gives_maps(size).items():
        for pooling in POOLINGS if is_map else POOLINGS[:1]:
            yield FeatureSpec((layer,), pooling, size)


def _reading(progress: Progress, size: int, done: int, total: int) -> None:
    progress(f"features of all layers at {size} px", done, total, "")


def _row(spec: FeatureSpec) -> dict[str, Any]:
    return {"layers": list(spec.layers), "pooling": spec.pooling, "size": spec.size}


def _shown(specs: Sequence[FeatureSpec], progress: Progress, what: str) -> Iterator[FeatureSpec]:
    """Gives the features one after the other, and reports each as done when the next is asked for."""
    for done, spec in enumerate(specs, start=1):
        yield spec
        progress(what, done, len(specs), f"{'+'.join(spec.layers)} {spec.pooling}")


def _few_a_class(split: Split, count: int, seed: int) -> Split:
    random = generator(seed, "code choice, training")
    rows = []
    for label in np.unique(split.labels):
        members = np.flatnonzero(split.labels == label)
        rows.append(random.permutation(members)[:count])
    return split.of(np.sort(np.concatenate(rows)))


def _few(split: Split, count: int, seed: int) -> Split:
    order = generator(seed, "code choice, validation").permutation(len(split.samples))
    return split.of(np.sort(order[:count]))
