"""How unlike the training images an input is, and from which score on nothing is assessed."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from shared.errors import RunError
from shared.evaluation.statistics.intervals import group_codes
from shared.seeding import generator

FILE = "features.npy"
NEIGHBOUR = 10
"""Features of a fine-tuned SqueezeNet tell a knee and a CT from heads best with it (docs/lab-log.md). It was chosen on
the very images that the log reports: its rates flatter."""
REFERENCE_SIZE = 2048
"""Training images whose features are kept, drawn at random: some MiB. Source: Sun et al., section 5, find 1% enough."""

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Reference:
    """Features of training images.

    Attributes:
        features: float16 [M, width], of unit length.
    """

    features: NDArray[np.float16]

    @classmethod
    def of(cls, features: NDArray[np.floating]) -> Reference:
        """Of features [M, width] as the network gives them."""
        return cls(_directions(features).astype(np.float16))

    @classmethod
    def read(cls, run: Path) -> Reference:
        """Those of a run.

        Raises:
            RunError: The file is damaged.
        """
        try:
            features = np.load(run / FILE, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise RunError(f"{run / FILE} cannot be read ({type(error).__name__}); train again") from None
        if features.ndim != 2 or features.dtype != np.float16 or not len(features):
            raise RunError(f"{run / FILE} does not hold features; train again")
        return cls(features)

    @cached_property
    def _columns(self) -> NDArray[np.float32]:
        """Their transpose, [width, M], converted once: products of float16 have no fast routine."""
        return np.ascontiguousarray(self.features.T, dtype=np.float32)

    def scores(self, features: NDArray[np.floating]) -> Values:
        """The score of each of some features [N, width], float64 [N] in 0..2."""
        similar = _directions(features) @ self._columns
        nearest = min(NEIGHBOUR, len(self.features))
        return np.asarray(1.0 - np.partition(similar, -nearest, axis=1)[:, -nearest], dtype=np.float64)


def of_series(slices: Values) -> float:
    """The score of a series from those of its slices [slices], at least one.

    The median: the first and last slices of a head, which are unlike the rest, do not decide.
    """
    return float(np.median(slices))


def _directions(features: NDArray[np.floating]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    # a code of zeros has no direction and is like nothing
    return np.asarray(features / np.maximum(lengths, np.finfo(np.float32).tiny), dtype=np.float32)


HIGHEST = 2.0
"""No score is higher: one less the cosine of opposite features."""
FAR, SMALLEST = 10.0, 1e-4
"""Scores below the median by this factor, or below what float16 features can tell from 0, count as that much."""


def by_series(slices: Values, series: Sequence[Hashable]) -> Values:
    """The score of each series, in the order in which they first occur, from those of samples [N]."""
    owners = group_codes(series)
    bounds = np.cumsum(np.bincount(owners))[:-1]
    return np.array([of_series(own) for own in np.split(slices[np.argsort(owners, kind="stable")], bounds)])


def one_of_each(scores: Values, inputs: Sequence[Hashable], units: Sequence[int], seed: int) -> Values:
    """The score of one input of each unit, drawn at random: several series of a patient are no independent ones.

    Args:
        scores: [N] of images.
        inputs: [N] what `predict` would judge each as a part of.
        units: [N] what is independent of the rest.
        seed: Of the draw.
    """
    first = np.unique(group_codes(inputs), return_index=True)[1]
    of_inputs, owners = by_series(scores, inputs), np.asarray(units)[first]
    order = generator(seed, "one input of each unit").permutation(len(of_inputs))
    chosen = order[np.unique(owners[order], return_index=True)[1]]
    return of_inputs[np.sort(chosen)]


def choose_threshold(scores: Values, rate: float) -> float:
    """A threshold that a like input exceeds with a probability of at most `rate`.

    With enough scores it is an order statistic, for which that holds whatever their distribution (split conformal
    prediction), as far as they are independent. Fewer than 1 / rate scores have no such quantile: then it is the
    one-sided prediction limit of their logarithms, taken as normal, so about right at best. Of one score nothing is
    known: the threshold is `HIGHEST`, which leaves nothing unassessed.

    Args:
        scores: [N] of independent inputs of validation.
        rate: Over 0 and below 1.

    Source: Vovk, Gammerman & Shafer, Algorithmic Learning in a Random World, 2005, section 2.2; Hahn & Meeker,
    Statistical Intervals, 1991, section 4.8.
    """
    count = len(scores)
    rank = int(np.ceil((count + 1) * (1.0 - rate)))
    if rank <= count:
        return float(np.sort(scores)[rank - 1])
    if count < 2:
        return HIGHEST
    # copies of training images score about 0, and their logarithms would stretch the spread without end
    floor = max(float(np.median(scores)) / FAR, SMALLEST)
    logarithms = np.log(np.maximum(scores, floor))
    reach = float(t.ppf(1.0 - rate, count - 1)) * np.sqrt(1.0 + 1.0 / count)
    return min(float(np.exp(logarithms.mean() + reach * logarithms.std(ddof=1))), HIGHEST)
