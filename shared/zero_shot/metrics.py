"""How well classes never seen are told: alone, and among those that were."""

from __future__ import annotations

from collections.abc import Sequence
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


def seen_margin(scores: Values, unseen: Flags) -> Values:
    """How far the best seen class is ahead of the best unseen one, float64 [N]: the shift that turns each answer."""
    best = [np.where(side, scores, -np.inf).max(axis=1) for side in (~unseen, unseen)]
    return np.asarray(best[0] - best[1], dtype=np.float64)


def curve(scores: Values, labels: Labels, unseen: Flags) -> list[Point]:
    """All calibrations, from all images called unseen classes to none, in falling order of the shift.

    An image is right under a shift on one side of a value: its best seen score less its best unseen one.

    Source: Chao et al., ECCV 2016, section 3: calibrated stacking and the seen-unseen accuracy curve.
    """
    turns, is_unseen = seen_margin(scores, unseen), unseen[labels]
    found = [np.where(side, scores, -np.inf).argmax(axis=1) for side in (unseen, ~unseen)]
    right = np.where(is_unseen, *found) == labels
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


def evaluate_at(scores: Values, labels: Labels, unseen: Flags, shift: float) -> Point:
    """What a calibration chosen elsewhere gives here."""
    found = (scores - shift * ~unseen).argmax(axis=1)
    rows = unseen[labels]
    return Point(shift, class_accuracy(found[rows], labels[rows]), class_accuracy(found[~rows], labels[~rows]))


def best_stacking_shift(problems: Sequence[tuple[Values, Labels, Flags]], steps: int = 100) -> float:
    """The one shift under which H, averaged over several problems, is highest; the smallest of equals.

    The highest shift of each problem alone is no guide: where few classes are seen it differs by a factor of five, and
    a mean of them leaves the range in which the others are of use. The grid lies within the seen margins of all
    images, by quantiles, and does not fall below 0: classes that were learnt from are never favoured further.

    Args:
        problems: Scores [N, classes], labels [N] and which classes are unseen [classes]; at least one.
        steps: Of the grid.

    Source: a shift chosen by cross-validation over held-out classes: Chao et al., ECCV 2016, section 3; H as the
        measure of generalised zero-shot learning: Xian et al., IEEE TPAMI 41(9):2251, 2019.
    """
    turns = np.concatenate([seen_margin(scores, unseen) for scores, _, unseen in problems])
    grid = np.unique(np.append(0.0, np.quantile(turns, np.linspace(0, 1, steps + 1)).clip(0.0)))
    found = [np.mean([evaluate_at(*problem, shift).harmonic for problem in problems]) for shift in grid]
    return float(grid[int(np.argmax(found))])
