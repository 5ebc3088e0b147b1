"""The threshold of a decision: chosen on validation for a sensitivity, with what those data certify."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.errors import DataError
from shared.evaluation.decision.series import SeriesScores
from shared.evaluation.statistics.intervals import LEVEL, clopper_pearson_lower

HIGHEST = 0.5
"""No threshold is chosen above it: that would say that a false alarm costs more than a miss, and where scans differ
from those of validation, it would call healthy what is likelier a finding than not."""
MARGIN = 1e-4
"""By which the threshold stays below the score that it is taken from: ONNX Runtime may give that a little less."""
NOTHING_POSITIVE = "validation holds no positive sample: no threshold can be chosen for a sensitivity"


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold and what is known of it.

    Attributes:
        threshold: Positive probability from which an input is called positive.
        target: The sensitivity that was asked for.
        unit: What was counted: "group" (patients, or images that share copies) or "sample" (images).
        positives: Positive units in validation.
        missed: Those of them of which something positive lies below the threshold.
        negatives: The other units.
        false_alarms: Those of them of which something lies at the threshold or above.
        choices: Models among which the same validation data chose this one.
        certified: With 95% confidence the sensitivity on such data is not below it.
        lengths: Slices of the shortest and of the longest positive series that was counted.
    """

    threshold: float
    target: float
    unit: str
    positives: int
    missed: int
    negatives: int
    false_alarms: int
    choices: int
    certified: float
    lengths: tuple[int, int]

    @property
    def statement(self) -> str:
        """What the validation data certify, and whether that is less than was asked for."""
        noun = "patients or other groups" if self.unit == "group" else "images"
        said = (
            f"{self.missed} misses in {self.positives} positive {noun} of validation certify a sensitivity of "
            f"{self.certified:.2f} (95% confidence"
        )
        said += f", allowing for a choice among {self.choices} models)" if self.choices > 1 else ")"
        if self.certified < self.target:
            said += f"; {self.target:.2f} was asked for"
        if not self.negatives:
            return f"{said}; validation holds nothing negative, so nothing is known of false alarms"
        return f"{said}; {self.false_alarms} of {self.negatives} negative ones are called positive there"


def choose(scores: NDArray[np.float64], positive: NDArray[np.bool_], target: float) -> float:
    """The highest threshold, up to `HIGHEST`, whose sensitivity on validation is at least `target`.

    Args:
        scores: [N] positive probabilities of units that are independent of each other.
        positive: [N] truth.
        target: Sensitivity, over 0 and at most 1.

    Raises:
        DataError: No unit is positive.
    """
    ordered = np.sort(scores[positive])
    if not len(ordered):
        raise DataError(NOTHING_POSITIVE)
    return min(float(ordered[_allowed(len(ordered), target)]) * (1.0 - MARGIN), HIGHEST)


def certify(
    judged: SeriesScores, threshold: float, target: float, *, chosen_here: bool, choices: int = 1
) -> OperatingPoint:
    """What validation certifies of a threshold, counted over units that are independent of each other.

    A threshold that `choose` took from the same units is the (m + 1)-th smallest score of the n positive ones, where
    m, the misses that the target allows, depends on n alone. The sensitivity at such an order statistic follows
    Beta(n - m, m + 1), whose 5% quantile is the lower bound of Clopper and Pearson for m misses: that bound holds
    although the threshold was chosen on the same data, and all the more where a lower one is taken because of ties or
    of `HIGHEST`. Where the same data also chose among k models, each bound is taken at a k-th of the error, after
    Bonferroni.

    Args:
        judged: The series of validation.
        threshold: Of their scores.
        target: The sensitivity that was asked for.
        chosen_here: Whether `choose` took the threshold from the units of `judged`.
        choices: Models among which the same data chose; at least 1.

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
    lengths = judged.lengths[judged.truth]
    return OperatingPoint(
        threshold=threshold,
        target=target,
        unit="group" if len(scores) < int(judged.lengths.sum()) else "sample",
        positives=count,
        missed=missed,
        negatives=int((~positive).sum()),
        false_alarms=int((scores[~positive] >= threshold).sum()),
        choices=choices,
        certified=clopper_pearson_lower(count - counted, count, 1.0 - (1.0 - LEVEL) / choices),
        lengths=(int(lengths.min()), int(lengths.max())),
    )


def _allowed(count: int, target: float) -> int:
    """How many of `count` positive units may be missed."""
    # a share such as 0.98 of 50 must not lose a miss to rounding
    return min(int(np.floor(count * (1.0 - target) + 1e-9)), count - 1)
