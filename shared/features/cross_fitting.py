"""Cross-fitting of linear heads: each fold of few labelled images is scored by heads fitted to the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import mean
from typing import Any

import torch
from torch import Tensor

from shared.data.folds import Folds
from shared.features.adam import fit_epochs
from shared.features.linear import PENALTIES, Candidate, LinearHead, walk
from shared.features.losses import Loss
from shared.features.newton import HeadSolver
from shared.features.sources import FeatureSource, InMemoryFeatures, Standardiser, bounds

MIN_EIGENVALUE = 1e-7
"""Share of the largest eigenvalue below which a direction of the features is rounding of float32, and left out."""


def cross_fitted_path(
    features: Tensor,
    labels: Tensor,
    folds: Folds,
    classes: int,
    *,
    loss: Loss,
    score: Callable[[Tensor], float],
    weigh: Callable[[Tensor], Tensor | None] = lambda _: None,
    penalties: Sequence[float] = PENALTIES,
    patience: int = 2,
) -> tuple[float, list[dict[str, Any]]]:
    """Chooses an L2 strength by the class scores that the images of each fold get from heads fitted to the others.

    The path is that of `shared.features.linear.regularisation_path`, with a head for each fold at every strength.

    Args:
        features: float32 [N, width].
        labels: int64 [N].
        folds: The fold of each of the N images; more than one.
        classes: Number of classes.
        loss: "softmax" (cross-entropy) or "svm" (one against the rest, squared hinge).
        score: Scores the out-of-fold class scores of all images, float [N, classes]; higher is better.
        weigh: Computes the weights of the classes, float32 [classes], from the labels of a fit; by default none.
        penalties: L2 strengths, strong to weak, none twice; at least one.
        patience: Number of strengths without a better score after which the path ends, at least 1.

    Returns:
        The L2 strength with the highest score, and a row for each that was tried: `penalty`, `train_objective` (mean
        over folds), `validation_score`.
    """
    parts = [_Part.of(features, labels, rows, weigh) for rows in _on(features.device, folds)]

    def fit(penalty: float, starts: Sequence[Tensor]) -> Candidate:
        out_of_fold = torch.zeros(len(labels), classes, device=features.device)
        solutions, objectives = [], []
        for part, start in zip(parts, starts, strict=True):
            solution, objective = part.minimise(start, loss, penalty)
            out_of_fold[part.held_out] = part.scores(solution)
            solutions.append(solution)
            objectives.append(objective)
        return Candidate(penalty, score(out_of_fold), sum(objectives) / len(objectives), tuple(solutions))

    best, rows = walk(fit, [part.zeros(classes) for part in parts], penalties, patience)
    return best.penalty, rows


def cross_fitted_epochs(
    features: Tensor,
    labels: Tensor,
    folds: Folds,
    classes: int,
    *,
    loss: Loss,
    epochs: int,
    score: Callable[[Tensor], float],
    seed: int,
    weigh: Callable[[Tensor], Tensor | None] = lambda _: None,
) -> list[dict[str, Any]]:
    """Scores the epochs of Adam by the class scores that the images of each fold get from heads trained on the others.

    Args:
        features: float32 [N, width].
        labels: int64 [N].
        folds: The fold of each of the N images; more than one.
        classes: Number of classes.
        loss: "softmax" (cross-entropy) or "svm" (one against the rest, squared hinge).
        epochs: Passes over the features, at least 1.
        score: Scores the out-of-fold class scores of all images, float [N, classes]; higher is better.
        seed: Seed of the order of samples.
        weigh: Computes the weights of the classes, float32 [classes], from the labels of a fit; by default none.

    Returns:
        A row an epoch: `epoch`, `train_loss` (mean over folds), `validation_score`, `seconds` (sum over folds).
    """
    out_of_fold = torch.zeros(epochs, len(labels), classes, device=features.device)
    histories = []
    for rest, held_out in _on(features.device, folds):
        heads: list[LinearHead] = []
        _, rows = fit_epochs(
            _Rows(features, rest),
            labels[rest],
            classes,
            loss=loss,
            epochs=epochs,
            score=partial(_keep, heads),
            seed=seed,
            class_weights=weigh(labels[rest]),
        )
        for epoch, head in enumerate(heads):
            out_of_fold[epoch, held_out] = head.scores(features[held_out])
        histories.append(rows)
    return [
        {
            "epoch": epoch + 1,
            "train_loss": mean(row["train_loss"] for row in rows),
            "validation_score": score(out_of_fold[epoch]),
            "seconds": sum(row["seconds"] for row in rows),
        }
        for epoch, rows in enumerate(zip(*histories, strict=True))
    ]


def _on(device: torch.device, folds: Folds) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields for each fold the indices of the images outside and inside it, int64 each, on the device."""
    for rest, held_out in folds.parts():
        yield torch.from_numpy(rest).to(device), torch.from_numpy(held_out).to(device)


def _keep(heads: list[LinearHead], head: LinearHead) -> float:
    """Keeps the head of each epoch, to be scored once those of all folds are there."""
    heads.append(head)
    return 0.0


@dataclass(frozen=True)
class _Rows:
    """Some rows of features in memory, copied block by block.

    Attributes:
        features: float32 [N, width].
        rows: int64 [n], indices of the rows.
    """

    features: Tensor
    rows: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, width): number of rows, and number of features of each."""
        return (len(self.rows), self.features.shape[1])

    def block(self, start: int, stop: int) -> Tensor:
        """Copies rows `start` to `stop`, float32 [stop - start, width]."""
        return self.features[self.rows[start:stop]]


@dataclass(frozen=True)
class _Part:
    """The fit without one fold; where images are fewer than features, on coordinates in the span of these.

    The penalised optimum lies in the span of the standardised features, whose dimension is at most the number of
    images: with few images of wide features a fit takes a fraction of the time. Source: Kimeldorf & Wahba, J Math Anal
    Appl 33:82, 1971. With many images each part reads the rows of the same features, and no fold has a copy of its own.

    Attributes:
        train: float32 [n, r], features or coordinates of the images outside the fold.
        standardiser: Mean and scale of `train`; 0 and 1 of coordinates.
        labels: int64 [n], their classes.
        weights: float32 [classes], weights of the classes; None: all alike.
        held_out: int64 [m], indices of the images inside the fold.
        judged: float32 [m, r], their features or coordinates.
    """

    train: FeatureSource
    standardiser: Standardiser
    labels: Tensor
    weights: Tensor | None
    held_out: Tensor
    judged: FeatureSource

    @classmethod
    def of(
        cls,
        features: Tensor,
        labels: Tensor,
        rows: tuple[Tensor, Tensor],
        weigh: Callable[[Tensor], Tensor | None],
    ) -> _Part:
        """Standardises features [N, width] by those outside the fold, and rotates few of them into their span."""
        rest, held_out = rows
        train, judged = (_Rows(features, part) for part in rows)
        standardiser, known = Standardiser.of(train), (labels[rest], weigh(labels[rest]), held_out)
        if len(rest) >= features.shape[1]:
            return cls(train, standardiser, *known, judged)
        few, new = ((features[part] - standardiser.mean) / standardiser.scale for part in rows)
        values, vectors = torch.linalg.eigh((few @ few.T).double())
        kept = values > MIN_EIGENVALUE * values[-1].clamp_min(torch.finfo(torch.float32).tiny)
        axes = (vectors[:, kept] / values[kept].sqrt()).to(few.dtype)
        few, new = ((block @ few.T) @ axes for block in (few, new))
        unchanged = Standardiser(few.new_zeros(few.shape[1]), few.new_ones(few.shape[1]))
        return cls(InMemoryFeatures(few), unchanged, *known, InMemoryFeatures(new))

    def zeros(self, classes: int) -> Tensor:
        """Makes the solution from which the first fit starts, float32 [classes, r + 1]."""
        return self.standardiser.mean.new_zeros(classes, self.train.shape[1] + 1)

    def minimise(self, start: Tensor, loss: Loss, penalty: float) -> tuple[Tensor, float]:
        """Fits a head at an L2 strength; returns the solution, shaped as `start`, and the penalised loss."""
        solver = HeadSolver.of(
            self.train, self.labels, loss, standardiser=self.standardiser, class_weights=self.weights
        )  # made for each fit, as it holds a rounded copy of the features
        return solver.minimise(start, penalty)

    def scores(self, solution: Tensor) -> Tensor:
        """Computes the class scores of the images inside the fold, float32 [m, classes]."""
        weight = solution[:, :-1] / self.standardiser.scale
        bias = solution[:, -1] - weight @ self.standardiser.mean
        return torch.cat([self.judged.block(*one) @ weight.T + bias for one in bounds(self.judged)])
