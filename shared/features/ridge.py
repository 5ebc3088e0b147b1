"""Ridge classifiers on features, in closed form: quick enough to try every layer on every fold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PENALTIES = tuple(10.0**exponent for exponent in range(-4, 2))
"""Ridge penalties that are tried, as multiples of the mean of the kernel's diagonal."""

Values = NDArray[np.float64]
Labels = NDArray[np.int64]


def out_of_fold(features: NDArray[np.floating], labels: Labels, classes: int, folds: Labels) -> Values:
    """Computes class scores of each sample by a ridge classifier that was fitted to the other folds.

    Features are standardised by mean and scale of the other folds alone, as a run's test is by those of its training:
    by those of all samples late layers look better than they are (docs/lab-log.md, "Scales of the folds, and time").
    Samples are weighted inversely to the frequency of their class. The penalty of each fold is the one with the least
    leave-one-out error on the other folds.

    Args:
        features: float [N, width].
        labels: int64 [N], 0 to classes - 1.
        classes: Number of classes.
        folds: int64 [N], number of the fold of each sample.

    Returns:
        Class scores, float64 [N, classes].
    """
    scores = np.zeros((len(labels), classes))
    for fold in np.unique(folds):
        inside = folds == fold
        train, test = _standardised(features[~inside], features[inside])
        kernel, cross = ((rows @ train.T).astype(np.float64) / features.shape[1] for rows in (train, test))
        scores[inside] = _scores(kernel, cross, labels[~inside], classes)
    return scores


def _standardised(
    train: NDArray[np.floating], test: NDArray[np.floating]
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Standardises features by mean and scale of `train`; one that hardly varies there is only centred.

    Args:
        train: float [N, width].
        test: float [M, width].
    """
    mean, scale = train.mean(axis=0), train.std(axis=0)
    scale = np.where(scale > 1e-6 * scale.max(initial=1e-12), scale, 1.0).astype(train.dtype)
    return (train - mean) / scale, (test - mean) / scale


def _scores(train: Values, test: Values, labels: Labels, classes: int) -> Values:
    """Fits a kernel ridge classifier and scores the test samples, float64 [test, classes].

    Args:
        train: float64 [N, N], kernel of the training samples.
        test: float64 [test, N], kernel of test and training samples.
        labels: int64 [N], of the training samples.
        classes: Number of classes.

    Source: leaving one out in closed form: Golub, Heath & Wahba, Technometrics 21:215, 1979.
    """
    targets = np.eye(classes)[labels]
    weights = 1.0 / np.maximum(np.bincount(labels, minlength=classes), 1)[labels]
    weights = np.sqrt(weights / weights.mean())
    # the bias: kernel plus one is a feature that is always 1, under a penalty too small to matter
    level = 10.0 * np.trace(train) / len(labels)
    weighted = weights[:, None] * (train + level) * weights
    values, vectors = np.linalg.eigh(weighted)
    values = np.maximum(values, 0.0)
    rotated = vectors.T @ (weights[:, None] * targets)
    best, chosen = np.inf, np.zeros_like(targets)
    for penalty in PENALTIES:
        inverse = 1.0 / (values + penalty * np.trace(train) / len(labels))
        dual = vectors @ (inverse[:, None] * rotated)
        diagonal = (vectors**2) @ inverse
        loss = float(((dual / diagonal[:, None]) ** 2).mean())
        if loss < best:
            best, chosen = loss, weights[:, None] * dual
    return (test + level) @ chosen
