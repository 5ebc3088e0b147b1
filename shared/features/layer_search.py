"""Which layer, pooling and input size give the best code, found by linear heads that validation judges."""

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
from shared.features.cache import FeatureBlocks, features_of_layers
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
    """What a code is made of.

    Attributes:
        layers: Of the backbone, side by side.
        pooling: One of `shared.models.pooling.POOLINGS`.
        size: Side of the network's input, in pixels.
    """

    layers: tuple[str, ...]
    pooling: str
    size: int


def search_layers(
    build: Callable[[int], Backbone],
    sizes: Sequence[int],
    train: Split,
    validation: Split,
    classes: int,
    spec: Preprocessing,
    *,
    content_hash: str,
    seed: int,
    device: torch.device,
    progress: Progress,
) -> tuple[FeatureSpec, list[dict[str, Any]]]:
    """The code under which a linear softmax does best on validation.

    Every stage of the backbone is tried alone under each pooling, at each size, all stages in one pass over the
    images; then the best is tried beside each other stage.

    Args:
        build: Gives the pretrained backbone with all its stages, for an input size.
        sizes: Sides of the network's input to try.
        train: Heads are fitted to up to `TRAIN_A_CLASS` images a class of it.
        validation: Up to `VALIDATION` images of it judge them.
        classes: Number of classes.
        spec: Preprocessing of the images.
        content_hash: Of the bytes of the data.
        seed: Of the draw of images.
        device: Where to compute.
        progress: Called with (what, done, total, note).

    Returns:
        The code, and a row for each one tried: layers, pooling, size and validation score.
    """
    learnt, judged = _few_a_class(train, TRAIN_A_CLASS, seed), _few(validation, VALIDATION, seed)
    rows: list[dict[str, Any]] = []
    best: tuple[float, FeatureSpec] | None = None
    for size in sizes:
        backbone = build(size)
        singles = list(_singles(backbone, size))
        wanted = [(code.layers[0], code.pooling) for code in singles]
        tables = [
            features_of_layers(
                backbone,
                wanted,
                split.images,
                split.samples,
                spec,
                content_hash=content_hash,
                device=device,
                progress=partial(_reading, progress, size),
            )
            for split in (learnt, judged)
        ]
        trial = _Trial(tables, learnt.labels, judged.labels, classes, device)
        found = [(trial.score(code), code) for code in _told(singles, progress, f"layers at {size} px")]
        top = max(found, key=lambda pair: pair[0])[1]
        pairs = [replace(top, layers=(top.layers[0], other)) for other in backbone.stages if other != top.layers[0]]
        pairs = [code for code in pairs if (code.layers[1], code.pooling) in tables[0]]
        found += [(trial.score(code), code) for code in _told(pairs, progress, f"pairs of layers at {size} px")]
        rows += [{**_row(code), "validation_score": score} for score, code in found]
        winner = max(found, key=lambda pair: pair[0])
        if best is None or winner[0] > best[0]:
            best = winner
    if best is None:
        raise ValueError("sizes is empty")
    return best[1], rows


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

    def score(self, code: FeatureSpec) -> float:
        """Mean log-likelihood on validation of the best head on some features."""
        train, validation = (
            FeatureBlocks([table[layer, code.pooling] for layer in code.layers]).block(0, 1 << 62).to(self.device)
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


def _row(code: FeatureSpec) -> dict[str, Any]:
    return {"layers": list(code.layers), "pooling": code.pooling, "size": code.size}


def _told(features: Sequence[FeatureSpec], progress: Progress, what: str) -> Iterator[FeatureSpec]:
    for done, code in enumerate(features, start=1):
        yield code
        progress(what, done, len(features), f"{'+'.join(code.layers)} {code.pooling}")


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
