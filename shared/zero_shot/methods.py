"""From features to classes by way of signatures: rows of an attribute table, or features of printed classes.

Every method here learns on seen classes a compatibility of a code x and a signature s that is linear in x, so that a
linear head over features says it for any list of classes, seen or not.
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
WIDTH = 256
"""Principal components of the features that are kept: far fewer images than numbers of a code teach a map."""
AXES_SAMPLE = 1_000
"""Images that span them."""
MIN_VARIANCE_SHARE = 1e-6
"""Share of the largest variance below which a component is rounding."""
CLIP = 0.05
"""Least and largest value of an attribute to DAP, which else is ever surer of one that all seen classes share."""
EPOCHS, BATCH, MARGIN = 30, 128, 0.1
"""Of the ranking loss."""


@dataclass(frozen=True)
class PrincipalAxes:
    """The axes in which features are compared: the leading principal components of training features.

    Attributes:
        mean: float32 [width].
        axes: float32 [width, kept], scaled so that the first component has variance 1.
    """

    mean: NDArray[np.float32]
    axes: NDArray[np.float32]

    @classmethod
    def of(cls, features: NDArray[np.floating], *, kept: int = WIDTH, seed: int = 0) -> PrincipalAxes:
        """Of training features [N, width]; up to `AXES_SAMPLE` of them, drawn at random, span the axes."""
        drawn = generator(seed, "principal components").permutation(len(features))[:AXES_SAMPLE]
        some = features[np.sort(drawn)].astype(np.float32)
        mean = some.mean(axis=0)
        some -= mean
        # dual: there are fewer images than numbers of a code
        squares, mixes = np.linalg.eigh(some @ some.T)
        leading = np.argsort(squares)[::-1][: min(kept, len(some) - 1, features.shape[1])]
        leading = leading[squares[leading] > squares.max() * MIN_VARIANCE_SHARE]
        scale = np.sqrt(squares[leading]) * np.sqrt(squares.max() / len(some))
        return cls(mean, (some.T @ mixes[:, leading] / scale).astype(np.float32))

    def __call__(self, features: NDArray[np.floating]) -> Values:
        """Features [N, width] in these axes, float64 [N, kept]."""
        return ((features.astype(np.float32) - self.mean) @ self.axes).astype(np.float64)


@dataclass(frozen=True)
class Compatibility:
    """score(x, s) = s . (matrix x + bias) - offset(s).

    Attributes:
        matrix: float64 [signature, code].
        bias: float64 [signature].
        offset: float64 [classes] of signatures [classes, signature].
    """

    matrix: Values
    bias: Values
    offset: Callable[[Values], Values]

    def predicted(self, features: Values) -> Values:
        """What is said of each attribute, float64 [N, signature]; of DAP log odds."""
        return features @ self.matrix.T + self.bias

    def scores(self, features: Values, signatures: Values) -> Values:
        """Float64 [N, classes] of features [N, code] and signatures [classes, signature]."""
        return self.predicted(features) @ signatures.T - self.offset(signatures)


def _no_offset(signatures: Values) -> Values:
    return np.zeros(len(signatures))


def dap(features: Values, labels: Labels, signatures: Values, penalty: float) -> Compatibility:
    """Direct attribute prediction: a logistic regression for each attribute, then Bayes over the attributes.

    With p = sigmoid(z), log p(a|x) = a z - softplus(z): the second term is alike for all classes, so that only the
    log odds z and the priors remain. Attributes are told as at least `CLIP` and at most 1 - `CLIP`, in training as in
    the prior: one that all seen classes share is then predicted as its prior and decides nothing.

    Args:
        features: float64 [N, code] of images of seen classes.
        labels: int64 [N], rows of `signatures`.
        signatures: float64 [classes, attributes], 0 to 1; the seen classes.
        penalty: L2 on the weights, of the mean loss.

    Source: Lampert, Nickisch & Harmeling, IEEE TPAMI 36(3):453, 2014, section 3.1, equation 2.
    """
    count, width = features.shape
    padded = np.concatenate([features, np.ones((count, 1))], axis=1)
    told = signatures.clip(CLIP, 1 - CLIP)
    wanted = told[labels]
    weights = (1.0 / np.bincount(labels, minlength=len(signatures)).clip(1))[labels, np.newaxis]
    weights = weights / weights.sum()

    def loss(flat: Values) -> tuple[float, Values]:
        matrix = flat.reshape(-1, width + 1)
        odds = padded @ matrix.T
        kept = matrix.copy()
        kept[:, -1] = 0.0
        value = (weights * (np.logaddexp(0.0, odds) - wanted * odds)).sum() + 0.5 * penalty * (kept**2).sum()
        slope = (weights * (expit(odds) - wanted)).T @ padded + penalty * kept
        return float(value), slope.ravel()

    start = np.zeros(signatures.shape[1] * (width + 1))
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 60}).x.reshape(-1, width + 1)
    prior = told.mean(axis=0)

    def offset(rows: Values) -> Values:
        return rows @ np.log(prior) + (1 - rows) @ np.log1p(-prior)

    return Compatibility(found[:, :-1], found[:, -1], offset)


def eszsl(features: Values, labels: Labels, signatures: Values, penalty: float, balance: float = 1.0) -> Compatibility:
    """Embarrassingly simple zero-shot learning: V = (X'X + g I)^-1 X'Y S (S'S + l I)^-1, Y of 1 and -1.

    Args:
        features: As of `dap`.
        labels: As of `dap`.
        signatures: float64 [classes, attributes].
        penalty: g as a multiple of N.
        balance: l.

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
    """A bilinear compatibility under a ranking loss, by Adam in mini-batches.

    Args:
        features: As of `dap`.
        labels: As of `dap`.
        signatures: float64 [classes, attributes], of unit length.
        penalty: L2 on the matrix.
        by_rank: Whether violations are weighted by the rank of the true class (ALE), or all alike (DeViSE).
        seed: Of the order of the images.

    Source: ALE: Akata et al., IEEE TPAMI 38(7):1425, 2016, equation 11; DeViSE: Frome et al., NIPS 2013, equation 1.
    """
    table = torch.tensor(signatures, dtype=torch.float32)
    images, truth = torch.tensor(features, dtype=torch.float32), torch.tensor(labels)
    matrix = torch.zeros(signatures.shape[1], features.shape[1], requires_grad=True)
    optimiser = torch.optim.Adam([matrix], lr=1e-2)
    order = torch.Generator().manual_seed(derive_seed(seed, "ranking"))
    beta = torch.cumsum(1.0 / torch.arange(1, len(signatures) + 1), dim=0)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(images), generator=order).split(BATCH):  # type: ignore[no-untyped-call]
            scores = images[rows] @ matrix.T @ table.T
            own = scores.gather(1, truth[rows, None])
            hinge = torch.relu(MARGIN + scores - own).scatter(1, truth[rows, None], 0.0)
            total = hinge.sum(dim=1)
            if by_rank:
                rank = (hinge > 0).sum(dim=1).clamp(min=1)
                total = total * beta[rank - 1] / rank
            loss = total.mean() + penalty * matrix.square().sum()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return Compatibility(matrix.detach().numpy().astype(np.float64), np.zeros(signatures.shape[1]), _no_offset)


def prototypes(
    features: Values, labels: Labels, signatures: Values, penalty: float, shrinkage: float = 0.2
) -> Compatibility:
    """The nearest class mean, where that of a class never seen is predicted from its signature: a mean code in print.

    What writing adds to print is learnt on seen classes by ridge regression on the difference of the means, so that
    under a strong penalty print is moved by their mean difference alone. Distances are Mahalanobis, by the spread
    within seen classes.

    Args:
        features: As of `dap`.
        labels: As of `dap`; every class of `signatures` has some.
        signatures: float64 [classes, code], mean features of printed classes in the axes of `features`.
        penalty: Of the ridge.
        shrinkage: Share of the mean variance that is added to the spread, 0 to 1.

    Source: a bias between projected and real prototypes closed by regression: Zhang & Saligrama, ICCV 2015; shrunken
        discriminant analysis: Friedman, JASA 84:165, 1989, equation 18.
    """
    means = np.stack([features[labels == number].mean(axis=0) for number in range(len(signatures))])
    middle, shift = signatures.mean(axis=0), (means - signatures).mean(axis=0)
    apart, wanted = signatures - middle, means - signatures - shift
    # dual: there are fewer classes than numbers of a code
    gram = apart @ apart.T
    weights = np.linalg.solve(gram + penalty * np.trace(gram) / len(gram) * np.eye(len(gram)), wanted)
    away = features - means[labels]
    spread = away.T @ away / len(away)
    spread = (1 - shrinkage) * spread + shrinkage * np.trace(spread) / len(spread) * np.eye(len(spread))
    moved = np.eye(len(middle)) + weights.T @ apart
    rest = shift - weights.T @ apart @ middle
    precision = np.linalg.inv(spread)

    def offset(rows: Values) -> Values:
        placed = rows @ moved.T + rest
        # `rest` scores x alike for all classes: only the length remains
        return 0.5 * np.einsum("ij,jk,ik->i", placed, precision, placed)

    return Compatibility(moved.T @ precision, np.zeros(len(middle)), offset)
