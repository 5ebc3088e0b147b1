"""The threshold of a decision: chosen on validation for a sensitivity, with what those data certify."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared.errors import DataError
from shared.intervals import LEVEL, clopper_pearson_lower

HIGHEST = 0.5
"""No threshold is chosen above it: that would say that a false alarm costs more than a miss, and where scans differ
from those of validation, it would call healthy what is likelier a finding than not."""
NOTHING_POSITIVE = "validation holds no positive sample: no threshold can be chosen for a sensitivity"


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold and what is known of it.

    Attributes:
        threshold: Positive probability from which an input is called positive.
        target: The sensitivity that was asked for.
        unit: What was counted: "group" (patients) or "sample" (images).
        positives: Positive units in validation.
        missed: Those of them below the threshold.
        certified: With 95% confidence the sensitivity on such data is not below it.
    """

    threshold: float
    target: float
    unit: str
    positives: int
    missed: int
    certified: float

    @property
    def statement(self) -> str:
        """What the validation data certify, and whether that is less than was asked for."""
        noun = "patients or other groups" if self.unit == "group" else "images"
        said = (
            f"{self.missed} misses in {self.positives} positive {noun} of validation certify a sensitivity of "
            f"{self.certified:.2f} (95% confidence)"
        )
        return f"{said}; {self.target:.2f} was asked for" if self.certified < self.target else said


def choose(scores: NDArray[np.float64], positive: NDArray[np.bool_], target: float, unit: str) -> OperatingPoint:
    """The highest threshold, up to `HIGHEST`, whose sensitivity on validation is at least `target`.

    The threshold is the (m + 1)-th smallest score of the n positive units, where m, the misses that the target
    allows, depends on n alone. The sensitivity at such an order statistic follows Beta(n - m, m + 1), whose 5%
    quantile is the lower bound of Clopper and Pearson for m misses: the bound holds although the threshold was chosen
    on the same data, and all the more where a lower one is taken because of ties or of `HIGHEST`.

    Args:
        scores: [N] positive probabilities of units that are independent of each other.
        positive: [N] truth.
        target: Sensitivity, over 0 and at most 1.
        unit: "group" or "sample", for the statement.

    Raises:
        DataError: No unit is positive.

    Source: Wilks, Ann Math Stat 12:91, 1941 (tolerance limits); Clopper & Pearson, Biometrika 26:404, 1934.
    """
    ordered = np.sort(scores[positive])
    if not len(ordered):
        raise DataError(NOTHING_POSITIVE)
    # a share such as 0.98 of 50 must not lose a miss to rounding
    allowed = int(np.floor(len(ordered) * (1.0 - target) + 1e-9))
    threshold = min(float(ordered[allowed]), HIGHEST)
    certified = clopper_pearson_lower(len(ordered) - allowed, len(ordered), LEVEL)
    return replace(measure(scores, positive, threshold, target, unit), certified=certified)


def measure(
    scores: NDArray[np.float64], positive: NDArray[np.bool_], threshold: float, target: float, unit: str
) -> OperatingPoint:
    """What validation certifies of a given threshold; arguments and errors as of `choose`."""
    count = int(positive.sum())
    if not count:
        raise DataError(NOTHING_POSITIVE)
    missed = int((scores[positive] < threshold).sum())
    return OperatingPoint(threshold, target, unit, count, missed, clopper_pearson_lower(count - missed, count, LEVEL))
