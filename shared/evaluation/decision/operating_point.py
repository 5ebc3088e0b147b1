"""The operating point: a threshold chosen on validation for a sensitivity, with its certificate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from shared.errors import DataError
from shared.evaluation.decision.length import ranges_of
from shared.evaluation.decision.series import SeriesScores
from shared.evaluation.statistics.intervals import clopper_pearson_lower, level_among

MAX_THRESHOLD = 0.5
"""The highest threshold that is chosen. A higher one would mean that a false alarm costs more than a miss and, on scans
unlike those of validation, would call healthy what is more likely a finding than not."""
MARGIN = 1e-4
"""Relative margin between the threshold and the score that it is taken from: ONNX Runtime may give a slightly lower
score."""
NOTHING_POSITIVE = "validation holds no positive sample: no threshold can be chosen for a sensitivity"


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold and its certificate.

    Bounds count units that are independent of each other. Where the data do not say which patient each image is of,
    nothing makes the units independent, and nothing is certified: with 3 alike slices of each patient that were counted
    one by one, the bound would be above the true sensitivity in 10% of draws, with 10 in 19 to 24%
    (`python -m benchmarks.certificates`).

    Attributes:
        threshold: Positive probability from which an input is called positive.
        target: The sensitivity that was asked for.
        unit: What was counted, in words: "patients", or "images, patients unknown".
        positives: Number of positive units in validation.
        missed: Number of positive units with a positive series below the threshold.
        counted: Number of misses that the bound allows for: where the threshold was chosen on the same units, at least
            as many as `target` allows.
        negatives: Number of negative units.
        false_alarms: Number of negative units with a series at or above the threshold.
        choices: Number of models among which the same validation data chose this one.
        certified: Lower bound of the sensitivity on such data, with 95% confidence; None where the patients are
            unknown.
        lengths: Slices of the shortest and of the longest positive series that was counted.
        extents_mm: Extent of the shortest and of the longest of those that have one; None where none has.
        remainders: Number of the negative units that are negative remainders of positive series.
    """

    threshold: float
    target: float
    unit: str
    positives: int
    missed: int
    counted: int
    negatives: int
    false_alarms: int
    choices: int
    certified: float | None
    lengths: tuple[int, int]
    extents_mm: tuple[float, float] | None = None
    remainders: int = 0

    @property
    def statement(self) -> str:
        """The certificate in one sentence without a full stop; it says so where less than the target is certified."""
        kind, _, unknown = self.unit.partition(", ")
        text = f"{self.missed} misses in {self.positives} positive {kind} of validation"
        if self.certified is None:
            text += f" certify nothing ({unknown})"
        else:
            text += f" certify a sensitivity of {self.certified:.2f} (95% confidence"
            text += f", allowing for a choice among {self.choices} models)" if self.choices > 1 else ")"
            if self.certified < self.target:
                text += f"; {self.target:.2f} was asked for"
        if not self.negatives:
            return f"{text}; validation holds nothing negative, so false alarms are unknown"
        text += f"; {self.false_alarms} of {self.negatives} negative ones are called positive there"
        return f"{text} ({self.remainders} are negative remainders of positive series)" if self.remainders else text

    def among(self, choices: int) -> OperatingPoint:
        """Restates the certificate for a choice among more models than were counted when it was made.

        Args:
            choices: Number of models among which the same validation chose; fewer than are counted already change
                nothing.
        """
        if choices <= self.choices or self.certified is None:
            return self
        bound = clopper_pearson_lower(self.positives - self.counted, self.positives, level_among(choices))
        return replace(self, choices=choices, certified=bound)


def choose(scores: NDArray[np.float64], positive: NDArray[np.bool_], target: float) -> float:
    """Finds the highest threshold, up to `MAX_THRESHOLD` (0.5), whose sensitivity on validation is at least `target`.

    A positive unit with a score of 0 is missed at every threshold (`predict` leaves its images out). It uses up one of
    the misses that the target allows; where there are more of such units, the threshold is that which finds all others.

    Args:
        scores: float64 [N], positive probabilities of independent units.
        positive: bool [N], whether each unit is positive.
        target: Sensitivity to reach, over 0 and at most 1.

    Returns:
        The threshold, slightly below the score that it is taken from.

    Raises:
        DataError: No unit is positive.
    """
    ordered = np.sort(scores[positive])
    if not len(ordered):
        raise DataError(NOTHING_POSITIVE)
    lost = int((ordered == 0.0).sum())
    if lost == len(ordered):
        return MAX_THRESHOLD
    return min(float(ordered[max(lost, _allowed(len(ordered), target))]) * (1.0 - MARGIN), MAX_THRESHOLD)


def certify(
    judged: SeriesScores,
    threshold: float,
    target: float,
    *,
    chosen_here: bool,
    choices: int = 1,
    group_name: str = "group",
) -> OperatingPoint:
    """Certifies the sensitivity at a threshold by the independent units of validation.

    A threshold that `choose` took from the same units is the (m + 1)-th smallest score of the n positive ones, where
    m, the misses that the target allows, depends on n alone. The sensitivity at such an order statistic follows
    Beta(n - m, m + 1), whose 5% quantile is the lower bound of Clopper and Pearson for m misses: that bound holds
    although the threshold was chosen on the same data, and all the more where a lower one is taken because of ties or
    of `MAX_THRESHOLD`. Where the same data also chose among k models, each bound is taken at a k-th of the error, after
    Bonferroni.

    Args:
        judged: The series of validation with their scores.
        threshold: Score from which a series is called positive.
        target: The sensitivity that was asked for.
        chosen_here: Whether `choose` took the threshold from the units of `judged`.
        choices: Number of models among which the same data chose, at least 1.
        group_name: What a group of images is, as in `shared.task.Task`.

    Returns:
        The threshold with its certificate, None where the groups are not known, and the counts behind it.

    Raises:
        DataError: No unit is positive.

    Source: Wilks, Ann Math Stat 12:91, 1941 (tolerance limits); Clopper & Pearson, Biometrika 26:404, 1934.
    """
    scores, positive = judged.by_unit()
    count = int(positive.sum())
    if not count:
        raise DataError(NOTHING_POSITIVE)
    missed = int((scores[positive] < threshold).sum())
    counted = max(missed, _allowed(count, target)) if chosen_here else missed
    ranges = ranges_of(list(compress(judged.lengths, judged.truth)))
    return OperatingPoint(
        threshold=threshold,
        target=target,
        unit=unit_words(group_name, named=judged.named, series=any(one.slices > 1 for one in judged.lengths)),
        positives=count,
        missed=missed,
        counted=counted,
        negatives=int((~positive).sum()),
        false_alarms=int((scores[~positive] >= threshold).sum()),
        choices=choices,
        certified=clopper_pearson_lower(count - counted, count, level_among(choices)) if judged.named else None,
        lengths=tuple(ranges["lengths"]),
        extents_mm=None if ranges["extents_mm"] is None else tuple(ranges["extents_mm"]),
        remainders=judged.remainders,
    )


def unit_words(group_name: str, *, named: bool, series: bool) -> str:
    """Names what a certificate counts: "patients", or "images, patients unknown".

    Args:
        group_name: What a group of images is, as in `shared.task.Task`.
        named: Whether the data say which group each image is of.
        series: Whether images are judged together as series.
    """
    if named:
        return f"{group_name}s"
    return f"{'series' if series else 'images'}, {group_name}s unknown"


def _allowed(count: int, target: float) -> int:
    """The number of `count` positive units that may be missed."""
    # a share such as 0.98 of 50 must not lose a miss to rounding
    return min(int(np.floor(count * (1.0 - target) + 1e-9)), count - 1)
