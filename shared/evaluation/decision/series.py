"""Scores of series from those of their slices, and of the groups and independent units that series belong to."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.evaluation.decision.aggregation import Aggregation
from shared.evaluation.decision.length import Length
from shared.evaluation.decision.places import Values
from shared.evaluation.statistics.groups import group_codes
from shared.samples import Grouping

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class SeriesScores:
    """S series with one score each.

    Attributes:
        scores: float64 [S], positive probability of each series.
        truth: bool [S], whether one of its slices is positive.
        lengths: [S] how long it is.
        groups: [S] the group (patient) that it belongs to.
        units: [S] number of the independent unit that it belongs to.
        named: Whether the groups are known patients or writers, as in `shared.samples.Grouping`.
        remainders: Number of negative units that are negative remainders of positive series
            (`shared.evaluation.decision.remainders`).
    """

    scores: Values
    truth: Flags
    lengths: tuple[Length, ...]
    groups: tuple[str, ...]
    units: tuple[int, ...]
    named: bool = False
    remainders: int = 0

    def by_unit(self) -> tuple[Values, Flags]:
        """Computes one score and one truth for each independent unit.

        A positive unit has the lowest score of its positive series, so that it is missed where any of them is; a
        negative unit has the highest score of its series.

        Returns:
            Scores float64 [U], and whether each unit has a positive series, bool [U], in the order in which units first
            occur.
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
        """Computes one score and one truth for each group (patient).

        Returns:
            Scores float64 [G], the highest of the group's series; whether one of its series is positive, bool [G]; and
            number of the group's independent unit, [G]. Groups are in the order in which they first occur.
        """
        codes = group_codes(self.groups)
        count = int(codes.max()) + 1
        scores, truth = np.full(count, -np.inf), np.zeros(count, dtype=np.bool_)
        np.maximum.at(scores, codes, self.scores)
        np.logical_or.at(truth, codes, self.truth)
        first = np.unique(codes, return_index=True)[1].tolist()
        return scores, truth, tuple(self.units[i] for i in first)

    def called_groups(self, threshold: float, image_threshold: float) -> Flags:
        """Tells for each group (patient) whether one of its series is called positive, bool [G], in `by_group`'s order.

        Args:
            threshold: Score from which a series of several slices is called positive.
            image_threshold: Score from which one of a single slice is.
        """
        codes = group_codes(self.groups)
        called = np.zeros(int(codes.max()) + 1, dtype=np.bool_)
        several = [one.slices > 1 for one in self.lengths]
        np.logical_or.at(called, codes, self.scores >= np.where(several, threshold, image_threshold))
        return called


def score_series(scores: Values, truth: Flags, grouping: Grouping, aggregation: Aggregation) -> SeriesScores:
    """Computes the positive probability of each series from its slices, as prediction does.

    Slices that `predict` leaves out say only whether the series is positive; one without any other has a probability
    of 0.

    Args:
        scores: float64 [N], positive probability of each slice.
        truth: bool [N], whether each slice is positive.
        grouping: Series, group and independent unit of each slice.
        aggregation: How the slices of a series become one probability.

    Returns:
        The series with their scores, in the order in which series first occur.
    """
    series = slices_of(grouping.series)
    judged = [grouping.judged(rows) for rows in series]
    whole = [
        aggregation.probability(scores[rows], grouping.positions_of(rows)) if len(rows) else 0.0 for rows in judged
    ]
    return group_slices(np.array(whole), truth, grouping, series)


def group_slices(scores: Values, truth: Flags, grouping: Grouping, series: Sequence[NDArray[np.int64]]) -> SeriesScores:
    """Puts slices together to series whose scores are known already.

    Args:
        scores: float64 [S], positive probability of each series.
        truth: bool [N], whether each slice is positive; a series is positive where one of its slices is.
        grouping: Series, group and independent unit of each slice.
        series: Indices of the slices of each series, as `slices_of` gives them.

    Returns:
        The series, in the order of `scores`.
    """
    first = [int(rows[0]) for rows in series]
    return SeriesScores(
        scores,
        np.array([bool(truth[rows].any()) for rows in series]),
        tuple(length_of(rows, grouping) for rows in series),
        tuple(grouping.groups[i] for i in first),
        tuple(grouping.units[i] for i in first),
        grouping.named,
    )


def length_of(rows: NDArray[np.int64], grouping: Grouping) -> Length:
    """Measures a series by the slices that `predict` judges, and by all where it judges none.

    Args:
        rows: Indices of the slices of the series.
        grouping: Positions of all slices, and which of them are left out.
    """
    judged = grouping.judged(rows)
    kept = judged if len(judged) else rows
    return Length.of(len(kept), grouping.positions_of(kept))


def slices_of(names: Sequence[Hashable]) -> list[NDArray[np.int64]]:
    """Finds the slices of each series.

    Args:
        names: [N] name of the series of each slice.

    Returns:
        For each series the indices of its slices, int64, ascending; series in the order in which they first occur.
    """
    codes = group_codes(names)
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)
