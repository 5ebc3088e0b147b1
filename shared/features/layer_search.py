"""Search for the layers, pooling and input size whose features serve a linear head best on validation or by folds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax

from shared.data.folds import Folds
from shared.data.split import Split
from shared.evaluation.calibration import fit_temperature
from shared.features.cache import FeatureBlocks, FeatureRequest, features_of_layers
from shared.features.cross_fitting import cross_fitted_path
from shared.features.linear import regularisation_path
from shared.features.sources import InMemoryFeatures
from shared.io.array_store import ArrayView
from shared.models.backbones.module import Backbone
from shared.models.pooling import CLASS_POOLINGS
from shared.progress import Progress
from shared.seeding import generator
from shared.task import Preprocessing
from shared.training.selection import RULES

POOLINGS = ("avg_1x1", "avg_2x2", "avg_3x3")
"""Poolings that are tried; `CLASS_POOLINGS` besides where there is a class token."""
PENALTIES = (1e-1, 1e-2, 1e-3)
"""L2 strengths that are tried on each layer, strong to weak."""
TRAIN_A_CLASS, VALIDATION = 60, 2_000
"""Most images a class to fit heads to, and most images to score them on.

On DHCD heads on 60 images a class ranked layers as heads on 1,700 did (measured once, not recorded).
"""


@dataclass(frozen=True)
class FeatureSpec:
    """Layers, pooling and input size that define the features of a backbone.

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
    """Searches for the features on which a linear softmax classifier does best on validation.

    Attributes:
        train: Images to fit heads to; at most `TRAIN_A_CLASS` a class are drawn.
        validation: Images to score heads on; at most `VALIDATION` are drawn.
        classes: Number of classes.
        spec: Preprocessing of the images.
        content_hash: Hash over the bytes of the data.
        seed: Seed of the draw of images.
        device: Device to compute on.
        progress: Called with (what, done, total, note).
        folds: Folds of `train`, which score the heads in place of validation; None: validation scores them.
    """

    train: Split
    validation: Split
    classes: int
    spec: Preprocessing
    content_hash: str
    seed: int
    device: torch.device
    progress: Progress
    folds: Folds | None = None

    def best(self, build: Callable[[int], Backbone], sizes: Sequence[int]) -> tuple[FeatureSpec, list[dict[str, Any]]]:
        """Scores every layer alone under each pooling, and then the best one joined with each other, at each size.

        Args:
            build: Builds the pretrained backbone with all its stages, for an input size.
            sizes: Sides of the network's input to try, in pixels; at least one.

        Returns:
            The best features, and a row for each candidate: layers, pooling, size and validation score.
        """
        rows = _draw_a_class(self.train, TRAIN_A_CLASS, self.seed)
        if self.folds is not None and not self.folds.at(rows).count:
            rows = np.arange(len(self.train.samples))  # the draw left a class in a single fold
        train = self.train.of(rows)
        folds = None if self.folds is None else self.folds.at(rows)
        validation = _draw(self.validation, VALIDATION, self.seed) if folds is None else None
        found = [pair for size in sizes for pair in self._at_size(build(size), size, train, validation, folds)]
        best = max(found, key=lambda pair: pair[0])[1]
        return best, [{**_row(spec), "validation_score": score} for score, spec in found]

    def _at_size(
        self, backbone: Backbone, size: int, train: Split, validation: Split | None, folds: Folds | None
    ) -> list[tuple[float, FeatureSpec]]:
        """Scores all stages alone, in one pass over the images, and then pairs with the best stage, at one size."""
        singles = list(_single_layers(backbone, size))
        wanted = [(spec.layers[0], spec.pooling) for spec in singles]
        report = partial(_report_extraction, self.progress, size)
        tables = [
            features_of_layers(
                backbone,
                wanted,
                FeatureRequest(split.images, split.samples, self.spec, self.content_hash, self.device, report),
            )
            for split in filter(None, (train, validation))
        ]
        judged = train if validation is None else validation
        trial = _Trial(tables, train.labels, judged.labels, self.classes, self.device, folds)
        found = [(trial.score(spec), spec) for spec in _reported(singles, self.progress, f"layers at {size} px")]
        top = max(found, key=lambda pair: pair[0])[1]
        pairs = [replace(top, layers=(top.layers[0], other)) for other in backbone.stages if other != top.layers[0]]
        pairs = [spec for spec in pairs if (spec.layers[1], spec.pooling) in tables[0]]
        reported = _reported(pairs, self.progress, f"pairs of layers at {size} px")
        return found + [(trial.score(spec), spec) for spec in reported]


class _Trial:
    """Fits and scores linear heads on features from the cache.

    Args:
        tables: Features of training and, without `folds`, of validation, by layer and pooling.
        train_labels: int64 [N], classes of the training images.
        judged_labels: int64, classes of the images that the heads are scored on.
        classes: Number of classes.
        device: Device to compute on.
        folds: Folds of the training images, on which the heads are then scored; None: they are scored on validation.
    """

    def __init__(
        self,
        tables: Sequence[dict[tuple[str, str], ArrayView]],
        train_labels: NDArray[np.int64],
        judged_labels: NDArray[np.int64],
        classes: int,
        device: torch.device,
        folds: Folds | None,
    ) -> None:
        self.tables, self.classes, self.device, self.folds = tables, classes, device, folds
        self.train_labels = torch.from_numpy(train_labels).to(device)
        self.judged_labels = judged_labels

    def score(self, spec: FeatureSpec) -> float:
        """Computes the mean log-likelihood of the images that are judged, in nats, at the best L2 strength."""
        train, *validation = (
            FeatureBlocks([table[layer, spec.pooling] for layer in spec.layers]).block(0, 1 << 62).to(self.device)
            for table in self.tables
        )
        if self.folds is not None:
            _, rows = cross_fitted_path(
                train,
                self.train_labels,
                self.folds,
                self.classes,
                loss="softmax",
                score=self._log_likelihood,
                penalties=PENALTIES,
            )
        else:
            _, rows = regularisation_path(
                InMemoryFeatures(train),
                self.train_labels,
                self.classes,
                loss="softmax",
                score=lambda head: self._log_likelihood(head.scores(validation[0])),
                penalties=PENALTIES,
            )
        return max(float(row["validation_score"]) for row in rows)

    def _log_likelihood(self, class_scores: torch.Tensor) -> float:
        """Computes the mean log-likelihood of class scores, in nats, at the temperature that fits them best."""
        scores = class_scores.cpu().numpy().astype(np.float64)
        temperature = fit_temperature(scores, self.judged_labels)
        return RULES.get("log_likelihood")(softmax(scores / temperature, axis=1), self.judged_labels)


def _single_layers(backbone: Backbone, size: int) -> Iterator[FeatureSpec]:
    """Yields every stage alone under each pooling; stages that end in vectors, which are not pooled, come once."""
    tokens = backbone.record.tokens
    poolings = (*POOLINGS, *CLASS_POOLINGS) if tokens and tokens.has_class else POOLINGS
    for layer, is_map in backbone.gives_maps(size).items():
        for pooling in poolings if is_map else POOLINGS[:1]:
            yield FeatureSpec((layer,), pooling, size)


def _report_extraction(progress: Progress, size: int, done: int, total: int) -> None:
    progress(f"features of all layers at {size} px", done, total, "")


def _row(spec: FeatureSpec) -> dict[str, Any]:
    return {"layers": list(spec.layers), "pooling": spec.pooling, "size": spec.size}


def _reported(specs: Sequence[FeatureSpec], progress: Progress, what: str) -> Iterator[FeatureSpec]:
    """Yields the candidates one after the other, and reports each as done when the next one is requested."""
    for done, spec in enumerate(specs, start=1):
        yield spec
        progress(what, done, len(specs), f"{'+'.join(spec.layers)} {spec.pooling}")


def _draw_a_class(split: Split, count: int, seed: int) -> NDArray[np.int64]:
    """Draws up to `count` images of each class, and returns their indices, sorted."""
    random = generator(seed, "code choice, training")
    rows = []
    for label in np.unique(split.labels):
        members = np.flatnonzero(split.labels == label)
        rows.append(random.permutation(members)[:count])
    return np.sort(np.concatenate(rows))


def _draw(split: Split, count: int, seed: int) -> Split:
    """Draws up to `count` images."""
    order = generator(seed, "code choice, validation").permutation(len(split.samples))
    return split.of(np.sort(order[:count]))
