"""Linear probe: a linear softmax classifier or linear SVM on the cached features of the frozen backbone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from scipy.special import softmax
from torch import Tensor

from shared.config.schema import Section
from shared.data.folds import Folds
from shared.data.split import Split
from shared.evaluation.calibration import fit_temperature
from shared.features.adam import fit_epochs
from shared.features.cache import FeatureBlocks, FeatureRequest, cached_features
from shared.features.cross_fitting import cross_fitted_epochs, cross_fitted_path
from shared.features.linear import PENALTIES, LinearHead, regularisation_path
from shared.features.sources import BLOCK_VALUES, FeatureSource, InMemoryFeatures, bounds
from shared.training.job import Job
from shared.training.objective import class_weights
from shared.training.selection import LAST, RULES, best_row

IN_MEMORY = 1 << 30
"""Largest size in bytes of the features of a split that are held in memory; larger ones are read in each pass.

The whole process then stays below 3 GiB.
"""
DEFAULT_PENALTY = 1.0
"""L2 strength where nothing can choose one: with five labels a class 0.1 to 10 did alike. Source: docs/lab-log.md, "Few
labels, chosen by folds"."""


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
        None,
        ge=1,
        description="epochs of Adam (1 or more); null: Newton's method to the minimum along a path of L2 strengths",
    )
    class_weights: Literal["balanced", "none"] = Field(
        "balanced", description="weights of the classes in the loss; balanced: inverse to their frequency"
    )
    penalty: float | None = Field(
        None, gt=0, description="L2 strength (above 0), without epochs; null: the best along a path of strengths"
    )
    selection: str = Field(
        "log_likelihood",
        description="rule that chooses the L2 strength or the epoch: log_likelihood or balanced_accuracy of "
        "validation; last: the last epoch, with epochs only",
    )

    @model_validator(mode="after")
    def _one_solver(self) -> Self:
        if self.epochs is not None and self.penalty is not None:
            raise ValueError(
                "penalty is for Newton's method, and epochs for Adam, which has no penalty; leave one of them out"
            )
        if self.epochs is None and self.selection == LAST:
            raise ValueError("selection is last, and without epochs there is no last one; set epochs, or penalty")
        return self

    def keeping(self, row: Mapping[str, Any] | None) -> Self:
        """Returns these options with a setting written out, so that nothing is left to choose.

        Args:
            row: The row of the history that is kept; None: the last epoch, or `DEFAULT_PENALTY` where none is stated.
        """
        if self.epochs is None:
            penalty = (self.penalty or DEFAULT_PENALTY) if row is None else row["penalty"]
            return self.model_copy(update={"penalty": penalty})
        epochs = self.epochs if row is None else row["epoch"]
        return self.model_copy(update={"epochs": epochs, "selection": LAST})


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
        if options.selection != LAST:
            RULES.get(options.selection)

    def fit(self, job: Job, options: Options) -> list[dict[str, Any]]:
        """Fits the head of `job.network` in place, at the L2 strength or the epoch that validation prefers.

        Where `job.folds` choose, the head is then fitted once more, to all training images.

        Returns:
            The history: a row for each L2 strength, or for each epoch where `options.epochs` is set.
        """
        history: list[dict[str, Any]] = []
        if job.folds is not None:
            history = _by_folds(job, job.folds, options) if job.folds.count else []
            options = options.keeping(best_row(history))
        head, rows = _fitted(job, options)
        with torch.no_grad():
            job.network.head.weight.copy_(head.weight)
            job.network.head.bias.copy_(head.bias)
        return history or rows

    def features(self, job: Job, split: Split) -> Iterator[Tensor]:
        """Yields the features of the images of a split block by block, float32 [n, width] on `job.device`.

        They are read from the feature cache, which is filled where they are missing.
        """
        features = _features(job, split, "features, evaluation")
        step = max(1, BLOCK_VALUES // features.shape[1])
        return (features.block(start, start + step).to(job.device) for start in range(0, len(features), step))


def _fitted(job: Job, options: Options) -> tuple[LinearHead, list[dict[str, Any]]]:
    """Fits a head to the training images of a job; where settings are left open, validation chooses."""
    train = open_features(_features(job, job.train, "features, training"), job.device)
    validation = open_features(_features(job, job.validation, "features, validation"), job.device)
    labels = torch.from_numpy(job.train.labels).to(job.device)
    classes, weights, epoch = len(job.classes), _weigh(job, options)(labels), count()

    def score(head: LinearHead) -> float:
        return _score(_scores(head, validation), job.validation.labels, options.selection, next(epoch))

    if options.epochs is not None:
        return fit_epochs(
            train,
            labels,
            classes,
            loss=options.head,
            epochs=options.epochs,
            score=score,
            seed=job.seed,
            class_weights=weights,
        )
    return regularisation_path(
        train, labels, classes, loss=options.head, score=score, class_weights=weights, penalties=_penalties(options)
    )


def _scores(head: LinearHead, features: FeatureSource) -> Tensor:
    """Class scores, float [N, classes], of features that need not fit into memory."""
    if isinstance(features, InMemoryFeatures):
        return head.scores(features.features)
    return torch.cat([head.scores(features.block(start, stop)) for start, stop in bounds(features)])


def _by_folds(job: Job, folds: Folds, options: Options) -> list[dict[str, Any]]:
    """Scores L2 strengths, or epochs, by heads that did not see the fold they judge; returns a row for each."""
    features = _features(job, job.train, "features, training").block(0, len(job.train.labels)).to(job.device)
    labels, classes = torch.from_numpy(job.train.labels).to(job.device), len(job.classes)
    weigh, epoch = _weigh(job, options), count()

    def score(out_of_fold: Tensor) -> float:
        return _score(out_of_fold, job.train.labels, options.selection, next(epoch))

    if options.epochs is None:
        _, rows = cross_fitted_path(
            features,
            labels,
            folds,
            classes,
            loss=options.head,
            score=score,
            weigh=weigh,
            penalties=_penalties(options),
        )
        return rows
    return cross_fitted_epochs(
        features,
        labels,
        folds,
        classes,
        loss=options.head,
        epochs=options.epochs,
        score=score,
        seed=job.seed,
        weigh=weigh,
    )


def _penalties(options: Options) -> tuple[float, ...]:
    return PENALTIES if options.penalty is None else (options.penalty,)


def _score(scores: Tensor, labels: NDArray[np.int64], rule: str, epoch: int) -> float:
    """Scores class scores float [N, classes] by a selection rule, at the temperature that fits them best.

    Args:
        scores: Class scores of images that the head was not fitted to.
        labels: int64 [N], their classes.
        rule: Name of the rule; under `LAST` the score rises with the epoch.
        epoch: Number of the epoch or setting, from 0.
    """
    if rule == LAST:
        return float(epoch)
    values = scores.cpu().numpy().astype(np.float64)
    return RULES.get(rule)(softmax(values / fit_temperature(values, labels), axis=1), labels)


def _weigh(job: Job, options: Options) -> Callable[[Tensor], Tensor]:
    """Makes the function that computes the weights of the classes, float32 [classes], from the labels of a fit."""
    balanced = options.class_weights == "balanced"
    return lambda labels: class_weights(labels.cpu().numpy(), job.miss_costs, balanced=balanced).to(job.device)


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
    whole = torch.empty(count, width, device=device)
    for start, stop in bounds(features):  # in blocks, as layers that are joined would take their size once more
        whole[start:stop] = features.block(start, stop)
    return InMemoryFeatures(whole)


def _features(job: Job, split: Split, what: str) -> FeatureBlocks:
    def progress(done: int, total: int) -> None:
        job.progress(what, done, total, "")

    request = FeatureRequest(split.images, split.samples, job.spec, job.content_hash, job.device, progress)
    return cached_features(job.network, request)


STRATEGY = LinearProbe()
