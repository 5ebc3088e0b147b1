"""Slices gathered into series, and series into what is independent of the rest: the units that statistics count."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.evaluation.decision.aggregation import Aggregation, Values
from shared.evaluation.statistics.intervals import group_codes
from shared.samples import Grouping

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class SeriesScores:
    """Series, each with one score.

    Attributes:
        scores: [S] positive probabilities.
        truth: [S] whether one of the series' slices is positive.
        lengths: [S] slices of each.
        groups: [S] whose they are.
        units: [S] what they belong to that is independent of the rest.
    """

    scores: Values
    truth: Flags
    lengths: NDArray[np.int64]
    groups: tuple[str, ...]
    units: tuple[int, ...]

    def by_unit(self) -> tuple[Values, Flags]:
        """Scores and truth of units: a positive one is as suspicious as its least suspicious positive series, so that
        one is missed where any is; a negative one as its most suspicious series.
        """
        codes = group_codes(self.units)
        count = int(codes.max()) + 1
        truth = np.zeros(count, dtype=np.bool_)
        np.logical_or.at(truth, codes, self.truth)
        lowest, highest = np.full(count, np.inf), np.full(count, -np.inf)
        np.minimum.at(lowest, codes[self.truth], self.scores[self.truth])
        np.maximum.at(highest, codes, self.scores)
        return np.where(truth, lowest, highest), truth

    def by_group(self) -> tuple[Values, Flags, tuple[int, ...]]:
        """Scores, truth and units of groups: as suspicious as the most suspicious series, and as ill."""
        codes = group_codes(self.groups)
        count = int(codes.max()) + 1
        scores, truth = np.full(count, -np.inf), np.zeros(count, dtype=np.bool_)
        np.maximum.at(scores, codes, self.scores)
        np.logical_or.at(truth, codes, self.truth)
        first = np.unique(codes, return_index=True)[1].tolist()
        return scores, truth, tuple(self.units[i] for i in first)


def score_series(scores: Values, truth: Flags, belonging: Grouping, aggregation: Aggregation) -> SeriesScores:
    """The series of N slices, as prediction judges them.

    Args:
        scores: [N] positive probability of each slice.
        truth: [N] whether it is positive.
        belonging: Of each slice.
        aggregation: Puts the slices of a series together.
    """
    series = slices_of(belonging.series)
    return group_slices(np.array([aggregation.probability(scores[rows]) for rows in series]), truth, belonging, series)


def group_slices(
    scores: Values, truth: Flags, belonging: Grouping, series: Sequence[NDArray[np.int64]]
) -> SeriesScores:
    """Series whose scores [S] are known; the rest as of `score_series`."""
    first = [int(rows[0]) for rows in series]
    return SeriesScores(
        scores,
        np.array([bool(truth[rows].any()) for rows in series]),
        np.array([len(rows) for rows in series], dtype=np.int64),
        tuple(belonging.groups[i] for i in first),
        tuple(belonging.units[i] for i in first),
    )


def slices_of(names: Sequence[Hashable]) -> list[NDArray[np.int64]]:
    """The indices of each name's slices, names in the order in which they first occur."""
    codes = group_codes(names)
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)
