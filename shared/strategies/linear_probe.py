"""Linear probe: a linear softmax classifier or linear SVM on the cached features of the frozen backbone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from scipy.special import softmax
from torch import Tensor

from shared.config.schema import Section
from shared.data.split import Split
from shared.evaluation.calibration import fit_temperature
from shared.features.adam import fit_epochs
from shared.features.cache import FeatureBlocks, FeatureRequest, cached_features
from shared.features.lbfgs import BLOCK_VALUES, FeatureSource, InMemoryFeatures
from shared.features.linear import LinearHead, regularisation_path
from shared.training.job import Job
from shared.training.objective import class_weights
from shared.training.selection import RULES

IN_MEMORY = 1 << 31
"""Largest size in bytes of training features that are held in memory; larger ones are read from disk in each pass.

The whole process then stays below 4 GiB.
"""


class Options(Section):
    """The section `strategy` named `linear_probe` (the linear probe).

    The command `options linear_probe` describes every key.
    """

    name: Literal["linear_probe"] = Field(
        "linear_probe", description="a linear classifier on the features of the frozen backbone (linear probing)"
    )
    head: Literal["softmax", "svm"] = Field(
        "softmax", description="loss of the linear classifier; softmax: cross-entropy; svm: squared hinge"
    )
    epochs: int | None = Field(
        None, ge=1, description="epochs of Adam (1 or more); null: L-BFGS to convergence along a path of L2 strengths"
    )
    class_weights: Literal["balanced", "none"] = Field(
        "balanced", description="weights of the classes in the loss; balanced: inverse to their frequency"
    )
    selection: str = Field(
        "log_likelihood",
        description="rule that chooses the L2 strength or the epoch: log_likelihood or balanced_accuracy of validation",
    )


class LinearProbe:
    """Fits a linear head to the features of the frozen backbone."""

    options = Options
    learns_from_target = False
    needs_target = False
    needs_augmentation = False
    works_on_vectors = True
    loss_weights = ()

    def check(self, options: Options, stages: Sequence[str]) -> None:
        """Checks that the selection rule exists.

        Args:
            options: Options of the linear probe.
            stages: Names of the stages of the backbone; not used.

        Raises:
            UnknownNameError: There is no such selection rule.
        """
        RULES.get(options.selection)

    def fit(self, job: Job, options: Options) -> list[dict[str, Any]]:
        """Fits the head of `job.network` in place, at the L2 strength or the epoch that validation prefers.

        Returns:
            The history: a row for each L2 strength, or for each epoch where `options.epochs` is set.
        """
        train = open_features(_features(job, job.train, "features, training"), job.device)
        validation = _features(job, job.validation, "features, validation").block(0, len(job.validation.labels))
        validation = validation.to(job.device)
        rule = RULES.get(options.selection)
        labels = torch.from_numpy(job.train.labels).to(job.device)
        weights = class_weights(job.train.labels, job.miss_costs, balanced=options.class_weights == "balanced")
        weights = weights.to(job.device)

        def score(head: LinearHead) -> float:
            scores = head.scores(validation).cpu().numpy().astype(np.float64)
            temperature = fit_temperature(scores, job.validation.labels)
            return rule(softmax(scores / temperature, axis=1), job.validation.labels)

        classes, loss = len(job.classes), options.head
        if options.epochs is not None:
            head, history = fit_epochs(
                train,
                labels,
                classes,
                loss=loss,
                epochs=options.epochs,
                score=score,
                seed=job.seed,
                class_weights=weights,
            )
        else:
            head, history = regularisation_path(train, labels, classes, loss=loss, score=score, class_weights=weights)
        with torch.no_grad():
            job.network.head.weight.copy_(head.weight)
            job.network.head.bias.copy_(head.bias)
        return history

    def features(self, job: Job, split: Split) -> Iterator[Tensor]:
        """Yields the features of the images of a split block by block, float32 [n, width] on `job.device`.

        They are read from the feature cache, which is filled where they are missing.
        """
        features = _features(job, split, "features, evaluation")
        step = max(1, BLOCK_VALUES // features.shape[1])
        return (features.block(start, start + step).to(job.device) for start in range(0, len(features), step))


@dataclass(frozen=True)
class OnDiskFeatures:
    """Features that are read from disk in each pass, because they do not fit into memory.

    Attributes:
        features: The features in the cache, float32 [N, width].
        device: Device to which blocks are moved.
    """

    features: FeatureBlocks
    device: torch.device

    @property
    def shape(self) -> tuple[int, ...]:
        """Number N of rows, and width of each."""
        return self.features.shape

    def block(self, start: int, stop: int) -> Tensor:
        """Reads rows `start` to `stop`, float32 [stop - start, width], on the device."""
        return self.features.block(start, stop).to(self.device)


def open_features(features: FeatureBlocks, device: torch.device) -> FeatureSource:
    """Reads features into memory on `device` where they fit (`IN_MEMORY`), else leaves them on disk."""
    count, width = features.shape
    if count * width * 4 > IN_MEMORY:
        return OnDiskFeatures(features, device)
    return InMemoryFeatures(features.block(0, count).to(device))


def _features(job: Job, split: Split, what: str) -> FeatureBlocks:
    def progress(done: int, total: int) -> None:
        job.progress(what, done, total, "")

    request = FeatureRequest(split.images, split.samples, job.spec, job.content_hash, job.device, progress)
    return cached_features(job.network, request)


STRATEGY = LinearProbe()
