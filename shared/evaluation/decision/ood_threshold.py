"""From which out-of-distribution score on nothing is assessed: validation sets it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from scipy.stats import t

from shared.evaluation.decision.ood import Values, of_series
from shared.evaluation.statistics.intervals import group_codes
from shared.seeding import generator

HIGHEST = 2.0
"""No score is higher: one less the cosine of opposite codes."""
FAR, SMALLEST = 10.0, 1e-4
"""Scores below the median by this factor, or below what codes kept as float16 can tell from 0, count as that much."""


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
