"""Out-of-distribution scores that are compared: from features of training images, or from the logits of the head."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file
from sklearn.cluster import KMeans

from shared.evaluation.decision.ood import Reference

Values = NDArray[np.float64]
Score = Callable[[Values], Values]
"""From features float64 [N, width], as the network gives them, to scores [N], high for what is unlike training."""
SHRINKAGE = 0.1
CLUSTERS = 8


def scores_of(run: Path) -> dict[str, Score]:
    """Makes the scores that are compared, each fitted to the features of training images that the run keeps.

    Args:
        run: A finished run folder.
    """
    reference = Reference.read(run)
    kept, layers = np.asarray(reference.features, dtype=np.float64), reference.widths.tolist()
    weights = load_file(run / "model.safetensors")
    head = _Head(weights["head.weight"].astype(np.float64), weights["head.bias"].astype(np.float64))
    everything, by_layer, first = _Space(kept, [kept.shape[1]]), _Space(kept, layers), _Space(kept, layers[:1])
    scores: dict[str, Score] = {"the run's": reference.scores}
    scores["the run's, first layer alone"] = Reference.of(kept, layers[:1]).scores
    scores["the run's, all features as one layer"] = Reference.of(kept).scores
    for rank in (1, 10, 50):
        scores[f"cosine, nearest {rank}"] = nearest(everything, rank)
    scores["cosine by layer, nearest 10"] = nearest(by_layer, 10)
    for name, space in (("", everything), (" by layer", by_layer), (" of the first layer", first)):
        for width in (32, 64):
            scores[f"Mahalanobis{name}, {width}"] = mahalanobis(space, width, 1)
        scores[f"Mahalanobis{name}, 32, {CLUSTERS} clusters"] = mahalanobis(space, 32, CLUSTERS)
        scores[f"residual{name}, 32"] = residual(space, 32)
    return scores | {"energy": head.energy, "largest logit": head.largest_logit}


class _Space:
    """Directions of features, layer by layer, and the principal components of those of training images.

    Args:
        kept: float64 [M, width], features of training images.
        widths: Number of features of each layer; features after them are left out.
    """

    def __init__(self, kept: Values, widths: Sequence[int]) -> None:
        self.ends = np.cumsum(widths).tolist()
        self.rows = self.of(kept)
        self.mean = self.rows.mean(axis=0)
        variances, axes = np.linalg.eigh(np.cov(self.rows.T))
        self.axes, self.deviations = axes.T[::-1], np.sqrt(np.maximum(variances[::-1], 1e-12))

    def of(self, features: Values) -> Values:
        """Scales the features of each layer to unit length."""
        parts = [features[:, start:end] for start, end in zip([0, *self.ends], self.ends, strict=False)]
        return np.hstack([part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12) for part in parts])

    def whitened(self, features: Values, width: int) -> Values:
        """The first `width` principal components, each with unit variance over training images."""
        return np.asarray((self.of(features) - self.mean) @ self.axes[:width].T / self.deviations[:width])


@dataclass(frozen=True)
class _Head:
    weight: Values
    bias: Values

    def energy(self, features: Values) -> Values:
        """Less the logarithm of the sum of exponentials of the logits. Source: Liu et al., arXiv 2010.03759."""
        return np.asarray(-np.logaddexp.reduce(features @ self.weight.T + self.bias, axis=1))

    def largest_logit(self, features: Values) -> Values:
        """Less the largest logit. Source: Hendrycks et al., arXiv 1911.11132."""
        return np.asarray(-(features @ self.weight.T + self.bias).max(axis=1))


def nearest(space: _Space, rank: int) -> Score:
    """One less the mean cosine over layers to the training image of that rank. Source: Sun et al., arXiv 2204.06507."""
    layers = len(space.ends)
    return lambda features: 1.0 - np.sort(space.of(features) @ space.rows.T / layers, axis=1)[:, -rank]


def mahalanobis(space: _Space, width: int, clusters: int) -> Score:
    """The distance to the nearest cluster of training images, in principal components of unit length features.

    The clusters share one covariance. Source: Lee et al., arXiv 1807.03888.
    """
    rows = (space.rows - space.mean) @ space.axes[:width].T / space.deviations[:width]
    owners = KMeans(clusters, n_init=1, random_state=0).fit_predict(rows)
    centres = np.stack([rows[owners == number].mean(axis=0) for number in range(clusters)])
    covariance = np.cov((rows - centres[owners]).T)
    shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * np.eye(width) * np.trace(covariance) / width
    root = np.linalg.cholesky(np.linalg.inv(shrunk))

    def score(features: Values) -> Values:
        found = space.whitened(features, width)
        return np.asarray(np.min([np.linalg.norm((found - centre) @ root, axis=1) for centre in centres], axis=0))

    return score


def residual(space: _Space, width: int) -> Score:
    """The length of what lies outside the principal components. Source: Wang et al., arXiv 2203.10807."""
    axes = space.axes[:width]

    def score(features: Values) -> Values:
        centred = space.of(features) - space.mean
        return np.asarray(np.linalg.norm(centred - centred @ axes.T @ axes, axis=1))

    return score
