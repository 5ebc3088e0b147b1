"""Zero-shot methods: compatibility functions between image features and class signatures.

A signature describes a class: its row of the attribute table, or the mean features of its printed images. Every method
learns on seen classes a score of features x and signature s that is linear in x, and that any class, seen or unseen,
has by its signature.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from shared.seeding import derive_seed, generator

Values = NDArray[np.float64]
Labels = NDArray[np.int64]
MAX_COMPONENTS = 256
"""Principal components of the features that are kept: images are too few to fit a map over all features."""
PCA_IMAGES = 1_000
"""Images from which the principal components are computed, at most."""
MIN_VARIANCE_SHARE = 1e-6
"""Share of the largest variance below which a component is rounding."""
ATTRIBUTE_MARGIN = 0.05
"""DAP clips attributes to this value from 0 and from 1: else it grows ever surer of one that all seen classes share."""
EPOCHS, BATCH_SIZE, HINGE_MARGIN = 30, 128, 0.1
"""Training of the ranking losses (ALE, DeViSE): epochs, images a batch, margin of the hinge."""


@dataclass(frozen=True)
class PrincipalAxes:
    """Projects features onto the leading principal components of training features.

    Attributes:
        mean: float32 [width], mean of the training features.
        components: float32 [width, kept], scaled so that the first projected feature has variance 1.
    """

    mean: NDArray[np.float32]
    components: NDArray[np.float32]

    @classmethod
    def fit(
        cls, features: NDArray[np.floating], *, max_components: int = MAX_COMPONENTS, seed: int = 0
    ) -> PrincipalAxes:
        """Computes the principal components of training features.

        Args:
            features: float [N, width]; of more than `PCA_IMAGES` rows that many are drawn at random.
            max_components: Components kept, at most.
            seed: Seed of the draw.
        """
        drawn = generator(seed, "principal components").permutation(len(features))[:PCA_IMAGES]
        centred = features[np.sort(drawn)].astype(np.float32)
        mean = centred.mean(axis=0)
        centred -= mean
        # the Gram matrix of images is smaller than the covariance of features
        eigenvalues, eigenvectors = np.linalg.eigh(centred @ centred.T)
        leading = np.argsort(eigenvalues)[::-1][: min(max_components, len(centred) - 1, features.shape[1])]
        leading = leading[eigenvalues[leading] > eigenvalues.max() * MIN_VARIANCE_SHARE]
        scale = np.sqrt(eigenvalues[leading]) * np.sqrt(eigenvalues.max() / len(centred))
        return cls(mean, (centred.T @ eigenvectors[:, leading] / scale).astype(np.float32))

    def transform(self, features: NDArray[np.floating]) -> Values:
        """Projects features onto the principal components, float64 [N, kept].

        Args:
            features: float [N, width].
        """
        return ((features.astype(np.float32) - self.mean) @ self.components).astype(np.float64)


@dataclass(frozen=True)
class Compatibility:
    """Scores features x against class signatures s: s . (matrix x + bias) - offset(s).

    Attributes:
        matrix: float64 [signature, width].
        bias: float64 [signature].
        offset: Maps signatures float64 [classes, signature] to float64 [classes].
    """

    matrix: Values
    bias: Values
    offset: Callable[[Values], Values]

    def predict_attributes(self, features: Values) -> Values:
        """Predicts each attribute of each image, float64 [N, signature]; under DAP the log odds of the attribute.

        Args:
            features: float64 [N, width], projected features of N images.
        """
        return features @ self.matrix.T + self.bias

    def scores(self, features: Values, signatures: Values) -> Values:
        """Scores images against classes, float64 [N, classes]; the likelier the class, the higher.

        Args:
            features: float64 [N, width], projected features of N images.
            signatures: float64 [classes, signature], a row for each class.
        """
        return self.predict_attributes(features) @ signatures.T - self.offset(signatures)


def _no_offset(signatures: Values) -> Values:
    return np.zeros(len(signatures))


def dap(features: Values, labels: Labels, signatures: Values, penalty: float) -> Compatibility:
    """Fits direct attribute prediction (DAP): a logistic regression for each attribute, then Bayes over the attributes.

    With p = sigmoid(z), log p(a|x) = a z - softplus(z): the second term is alike for all classes, so that only the
    log odds z and the priors remain. Attributes are clipped to `ATTRIBUTE_MARGIN` from 0 and from 1, in training as in
    the prior: one that all seen classes share is then predicted as its prior and decides nothing.

    Args:
        features: float64 [N, width] of images of seen classes.
        labels: int64 [N], rows of `signatures`.
        signatures: float64 [classes, attributes], 0 to 1; the attributes of the seen classes.
        penalty: Strength of L2 on the weights, against the mean loss.

    Source: Lampert, Nickisch & Harmeling, IEEE TPAMI 36(3):453, 2014, section 3.1, equation 2.
    """
    clipped = signatures.clip(ATTRIBUTE_MARGIN, 1 - ATTRIBUTE_MARGIN)
    regressions = _fit_logistic(features, labels, clipped, penalty)
    prior = clipped.mean(axis=0)

    def offset(rows: Values) -> Values:
        return rows @ np.log(prior) + (1 - rows) @ np.log1p(-prior)

    return Compatibility(regressions[:, :-1], regressions[:, -1], offset)


def _fit_logistic(features: Values, labels: Labels, attributes: Values, penalty: float) -> Values:
    """Fits one logistic regression for each attribute, classes weighted alike; float64 [attributes, width + 1]."""
    count, width = features.shape
    padded = np.concatenate([features, np.ones((count, 1))], axis=1)
    targets = attributes[labels]
    weights = (1.0 / np.bincount(labels, minlength=len(attributes)).clip(1))[labels, np.newaxis]
    weights = weights / weights.sum()

    def loss(flat: Values) -> tuple[float, Values]:
        matrix = flat.reshape(-1, width + 1)
        log_odds = padded @ matrix.T
        penalised = matrix.copy()
        penalised[:, -1] = 0.0
        value = (weights * (np.logaddexp(0.0, log_odds) - targets * log_odds)).sum()
        gradient = (weights * (expit(log_odds) - targets)).T @ padded + penalty * penalised
        return float(value + 0.5 * penalty * (penalised**2).sum()), gradient.ravel()

    start = np.zeros(attributes.shape[1] * (width + 1))
    solution = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 60}).x
    return np.asarray(solution.reshape(-1, width + 1), dtype=np.float64)


def eszsl(features: Values, labels: Labels, signatures: Values, penalty: float, balance: float = 1.0) -> Compatibility:
    """Fits ESZSL in closed form: V = (X'X + gamma I)^-1 X'Y S (S'S + lambda I)^-1, with Y of 1 and -1.

    Args:
        features: float64 [N, width] of images of seen classes.
        labels: int64 [N], rows of `signatures`.
        signatures: float64 [classes, attributes] of the seen classes.
        penalty: Strength of the ridge on features: gamma / N.
        balance: Strength of the ridge on signatures: lambda.

    Source: Romera-Paredes & Torr, ICML 2015, equation 6.
    """
    count, width = features.shape
    target = np.where(labels[:, np.newaxis] == np.arange(len(signatures)), 1.0, -1.0)
    left = np.linalg.solve(features.T @ features + penalty * count * np.eye(width), features.T @ target @ signatures)
    right = np.linalg.solve(signatures.T @ signatures + balance * np.eye(signatures.shape[1]), left.T)
    return Compatibility(np.asarray(right, dtype=np.float64), np.zeros(signatures.shape[1]), _no_offset)


def ranked(
    features: Values, labels: Labels, signatures: Values, penalty: float, *, by_rank: bool = True, seed: int = 0
) -> Compatibility:
    """Fits a bilinear compatibility under a ranking loss (ALE or DeViSE), by Adam in mini-batches.

    Args:
        features: float64 [N, width] of images of seen classes.
        labels: int64 [N], rows of `signatures`.
        signatures: float64 [classes, attributes] of the seen classes, each of unit length.
        penalty: Strength of L2 on the matrix.
        by_rank: Whether violations are weighted by the rank of the true class (ALE), or all alike (DeViSE).
        seed: Seed of the order of the images.

    Source: ALE: Akata et al., IEEE TPAMI 38(7):1425, 2016, equation 11; DeViSE: Frome et al., NIPS 2013, equation 1.
    """
    classes = torch.tensor(signatures, dtype=torch.float32)
    images, targets = torch.tensor(features, dtype=torch.float32), torch.tensor(labels)
    matrix = torch.zeros(signatures.shape[1], features.shape[1], requires_grad=True)
    optimiser = torch.optim.Adam([matrix], lr=1e-2)
    order = torch.Generator().manual_seed(derive_seed(seed, "ranking"))
    rank_weights = torch.cumsum(1.0 / torch.arange(1, len(signatures) + 1), dim=0)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(images), generator=order).split(BATCH_SIZE):  # type: ignore[no-untyped-call]
            scores = images[rows] @ matrix.T @ classes.T
            true_score = scores.gather(1, targets[rows, None])
            hinge = torch.relu(HINGE_MARGIN + scores - true_score).scatter(1, targets[rows, None], 0.0)
            violation = hinge.sum(dim=1)
            if by_rank:
                rank = (hinge > 0).sum(dim=1).clamp(min=1)
                violation = violation * rank_weights[rank - 1] / rank
            loss = violation.mean() + penalty * matrix.square().sum()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return Compatibility(matrix.detach().numpy().astype(np.float64), np.zeros(signatures.shape[1]), _no_offset)


def prototypes(
    features: Values, labels: Labels, signatures: Values, penalty: float, shrinkage: float = 0.2
) -> Compatibility:
    """Fits a nearest-mean classifier whose class means are predicted from the mean features of printed images.

    The difference between handwritten and printed means is learnt on seen classes by ridge regression, so that under a
    strong penalty every printed mean moves by the mean difference alone. Distances are Mahalanobis, by the covariance
    within seen classes.

    Args:
        features: float64 [N, width] of images of seen classes.
        labels: int64 [N], rows of `signatures`; every class has at least one image.
        signatures: float64 [classes, width], mean features of printed images, projected as `features` are.
        penalty: Strength of the ridge.
        shrinkage: Share of the covariance that is replaced by the mean variance on all axes, 0 to 1.

    Source: a bias between projected and real prototypes closed by regression: Zhang & Saligrama, ICCV 2015; shrunken
        discriminant analysis: Friedman, JASA 84:165, 1989, equation 18.
    """
    means = np.stack([features[labels == number].mean(axis=0) for number in range(len(signatures))])
    centre, shift = signatures.mean(axis=0), (means - signatures).mean(axis=0)
    centred, residuals = signatures - centre, means - signatures - shift
    # the Gram matrix of classes is smaller than the covariance of features
    gram = centred @ centred.T
    weights = np.linalg.solve(gram + penalty * np.trace(gram) / len(gram) * np.eye(len(gram)), residuals)
    deviations = features - means[labels]
    covariance = deviations.T @ deviations / len(deviations)
    isotropic = shrinkage * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    precision = np.linalg.inv((1 - shrinkage) * covariance + isotropic)
    projection = np.eye(len(centre)) + weights.T @ centred
    intercept = shift - weights.T @ centred @ centre

    def offset(rows: Values) -> Values:
        predicted_means = rows @ projection.T + intercept
        # `intercept` scores x alike for all classes: only the length of the mean remains
        return 0.5 * np.einsum("ij,jk,ik->i", predicted_means, precision, predicted_means)

    return Compatibility(projection.T @ precision, np.zeros(len(centre)), offset)
