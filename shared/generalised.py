"""How well classes never seen are told: alone, and among those that were."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Labels = NDArray[np.int64]
Flags = NDArray[np.bool_]


def class_accuracy(found: Labels, labels: Labels) -> float:
    """Mean over the classes in `labels` of the share of each that was found.

    Source: Xian et al., IEEE TPAMI 41(9):2251, 2019, equation 8.
    """
    return float(np.mean([(found[labels == label] == label).mean() for label in np.unique(labels)]))


def unseen_accuracy(scores: Values, labels: Labels, unseen: Flags) -> float:
    """T1: of images of unseen classes, told among these alone; the mean over classes.

    Args:
        scores: float64 [N, classes].
        labels: int64 [N].
        unseen: bool [classes].
    """
    rows = unseen[labels]
    among = np.where(unseen, scores[rows], -np.inf)
    return class_accuracy(among.argmax(axis=1), labels[rows])


@dataclass(frozen=True)
class Point:
    """What one calibration gives.

    Attributes:
        shift: Taken off the scores of seen classes.
        unseen: u, per-class mean accuracy of images of unseen classes, told among all.
        seen: s, the same of seen classes.
    """

    shift: float
    unseen: float
    seen: float

    @property
    def harmonic(self) -> float:
        """H, the harmonic mean of both; 0 where one is 0."""
        total = self.unseen + self.seen
        return 2 * self.unseen * self.seen / total if total else 0.0


def curve(scores: Values, labels: Labels, unseen: Flags) -> list[Point]:
    """All calibrations, from all images called unseen classes to none, in falling order of the shift.

    An image is right under a shift on one side of a value: its best seen score less its best unseen one.

    Source: Chao et al., ECCV 2016, section 3: calibrated stacking and the seen-unseen accuracy curve.
    """
    best_seen = np.where(unseen, -np.inf, scores)
    best_unseen = np.where(unseen, scores, -np.inf)
    turns = best_seen.max(axis=1) - best_unseen.max(axis=1)
    is_unseen = unseen[labels]
    right = np.where(is_unseen, best_unseen.argmax(axis=1), best_seen.argmax(axis=1)) == labels
    counts = np.bincount(labels, minlength=len(unseen))
    sides = np.where(is_unseen, _present(labels, unseen), _present(labels, ~unseen))
    weights = right / counts[labels] / sides
    order = np.argsort(-turns)
    # below its turn an image goes to seen classes, above it to unseen ones
    gained = np.cumsum(np.where(is_unseen, 0.0, weights)[order])
    lost = np.cumsum(np.where(is_unseen, weights, 0.0)[order])
    whole = float(np.where(is_unseen, weights, 0.0).sum())
    steps = turns[order]
    between = np.append((steps[:-1] + steps[1:]) / 2, steps[-1] - 1.0)
    points = [Point(float(steps[0]) + 1.0, whole, 0.0)]
    distinct = np.append(steps[:-1] > steps[1:], True)
    for shift, loss, gain in zip(between[distinct], lost[distinct], gained[distinct], strict=True):
        points.append(Point(float(shift), max(0.0, whole - float(loss)), float(gain)))
    return points


def _present(labels: Labels, flags: Flags) -> int:
    return int(flags[np.unique(labels)].sum())


def area(points: list[Point]) -> float:
    """Area under the seen-unseen curve, 0 to 1; points as `curve` gives them."""
    seen = np.array([point.seen for point in points])
    unseen = np.array([point.unseen for point in points])
    return float(np.sum(np.diff(seen) * (unseen[1:] + unseen[:-1]) / 2))


def at_shift(scores: Values, labels: Labels, unseen: Flags, shift: float) -> Point:
    """What a calibration chosen elsewhere gives here."""
    found = (scores - shift * ~unseen).argmax(axis=1)
    rows = unseen[labels]
    return Point(shift, class_accuracy(found[rows], labels[rows]), class_accuracy(found[~rows], labels[~rows]))
