"""Linear classifiers on features by least squares, in closed form: quick enough to try every layer on every fold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PENALTIES = tuple(10.0**exponent for exponent in range(-4, 2))
"""Times the mean of the kernel's diagonal."""

Values = NDArray[np.float64]
Labels = NDArray[np.int64]


def out_of_fold(features: NDArray[np.floating], labels: Labels, classes: int, folds: Labels) -> Values:
    """Class scores [N, classes] of each sample by a classifier that saw no label of its fold.

    Features are standardised over all samples, those of the fold too, so that one kernel serves all folds: on few
    samples this flatters wide, sparse features (160 slices, last layer of SqueezeNet 1.1 at 32 px: AUC 0.88, not 0.84).
    Class counts are weighed out. The penalty of each fold is the one whose errors at leaving out one sample are least,
    among the samples it learns from.

    Args:
        features: [N, width].
        labels: [N], 0 to classes - 1.
        classes: Number of classes.
        folds: [N] number of the fold of each sample.
    """
    scale = features.std(axis=0)
    standard = (features - features.mean(axis=0)) / np.where(scale > 1e-6 * scale.max(initial=1e-12), scale, 1.0)
    kernel = (standard @ standard.T).astype(np.float64) / features.shape[1]
    scores = np.zeros((len(labels), classes))
    for fold in np.unique(folds):
        inside = folds == fold
        scores[inside] = _scores(
            kernel[np.ix_(~inside, ~inside)], kernel[np.ix_(inside, ~inside)], labels[~inside], classes
        )
    return scores


def _scores(learnt: Values, asked: Values, labels: Labels, classes: int) -> Values:
    """Scores of kernel rows `asked` by the classifier of `learnt`.

    Source: leaving one out in closed form: Golub, Heath & Wahba, Technometrics 21:215, 1979.
    """
    targets = np.eye(classes)[labels]
    weights = 1.0 / np.maximum(np.bincount(labels, minlength=classes), 1)[labels]
    weights = np.sqrt(weights / weights.mean())
    # the bias: kernel plus one is a feature that is always 1, under a penalty too small to matter
    level = 10.0 * np.trace(learnt) / len(labels)
    inner = weights[:, None] * (learnt + level) * weights
    values, vectors = np.linalg.eigh(inner)
    values = np.maximum(values, 0.0)
    turned = vectors.T @ (weights[:, None] * targets)
    best, chosen = np.inf, np.zeros_like(targets)
    for penalty in PENALTIES:
        inverse = 1.0 / (values + penalty * np.trace(learnt) / len(labels))
        dual = vectors @ (inverse[:, None] * turned)
        diagonal = (vectors**2) @ inverse
        loss = float(((dual / diagonal[:, None]) ** 2).mean())
        if loss < best:
            best, chosen = loss, weights[:, None] * dual
    return (asked + level) @ chosen
