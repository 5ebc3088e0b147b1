"""Measures of generalised zero-shot learning, and the calibrated stacking that balances seen and unseen classes.

Sources: Xian et al., IEEE TPAMI 41(9):2251, 2019 (T1, u, s, H); Chao et al., ECCV 2016 (calibrated stacking, AUSUC).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Labels = NDArray[np.int64]
Flags = NDArray[np.bool_]


def class_accuracy(predicted: Labels, labels: Labels) -> float:
    """Averages top-1 accuracy over classes, so that every class counts alike; 0 to 1, NaN without images.

    Args:
        predicted: int64 [N], the predicted class of each image.
        labels: int64 [N], the true class; classes without an image do not count.

    Source: Xian et al., IEEE TPAMI 41(9):2251, 2019, equation 8.
    """
    return float(np.mean([(predicted[labels == label] == label).mean() for label in np.unique(labels)]))


def unseen_accuracy(scores: Values, labels: Labels, unseen: Flags) -> float:
    """Computes T1: per-class mean accuracy on images of unseen classes where only unseen classes are candidates.

    Args:
        scores: float64 [N, classes], higher for a likelier class.
        labels: int64 [N], columns of `scores`; images of seen classes are left out.
        unseen: bool [classes], which classes are unseen.

    Returns:
        T1, 0 to 1; NaN where no image is of an unseen class.
    """
    rows = unseen[labels]
    candidates = np.where(unseen, scores[rows], -np.inf)
    return class_accuracy(candidates.argmax(axis=1), labels[rows])


@dataclass(frozen=True)
class StackingPoint:
    """Seen and unseen accuracy under one shift of calibrated stacking.

    Attributes:
        shift: Subtracted from the scores of seen classes.
        unseen: u, per-class mean accuracy on images of unseen classes, all classes being candidates; 0 to 1.
        seen: s, per-class mean accuracy on images of seen classes, all classes being candidates; 0 to 1.
    """

    shift: float
    unseen: float
    seen: float

    @property
    def harmonic(self) -> float:
        """H, the harmonic mean of u and s; 0 where either is 0."""
        total = self.unseen + self.seen
        return 2 * self.unseen * self.seen / total if total else 0.0


def seen_margin(scores: Values, unseen: Flags) -> Values:
    """Computes each image's best seen score minus its best unseen score, float64 [N].

    A shift above this margin moves the image's prediction from the seen classes to the unseen ones.

    Args:
        scores: float64 [N, classes], higher for a likelier class.
        unseen: bool [classes], which classes are unseen; at least one is, and at least one is not.
    """
    best_seen, best_unseen = (np.where(side, scores, -np.inf).max(axis=1) for side in (~unseen, unseen))
    return np.asarray(best_seen - best_unseen, dtype=np.float64)


def seen_unseen_curve(scores: Values, labels: Labels, unseen: Flags) -> list[StackingPoint]:
    """Traces the seen-unseen accuracy curve: its points in falling order of the shift.

    The first point predicts unseen classes for all images, the last one seen classes. A correct prediction changes
    only where the shift passes the image's margin, so that one sort gives every point.

    Args:
        scores: float64 [N, classes], higher for a likelier class.
        labels: int64 [N], columns of `scores`; at least one image.
        unseen: bool [classes], which classes are unseen; at least one is, and at least one is not.

    Source: Chao et al., ECCV 2016, section 3: calibrated stacking and the seen-unseen accuracy curve.
    """
    margins, is_unseen = seen_margin(scores, unseen), unseen[labels]
    weights = _accuracy_shares(scores, labels, unseen)
    order = np.argsort(-margins)
    # under a shift below its margin an image is predicted as a seen class, above it as an unseen one
    gained = np.cumsum(np.where(is_unseen, 0.0, weights)[order])
    lost = np.cumsum(np.where(is_unseen, weights, 0.0)[order])
    highest_unseen = float(np.where(is_unseen, weights, 0.0).sum())
    falling = margins[order]
    between = np.append((falling[:-1] + falling[1:]) / 2, falling[-1] - 1.0)
    points = [StackingPoint(float(falling[0]) + 1.0, highest_unseen, 0.0)]
    distinct = np.append(falling[:-1] > falling[1:], True)
    for shift, loss, gain in zip(between[distinct], lost[distinct], gained[distinct], strict=True):
        points.append(StackingPoint(float(shift), max(0.0, highest_unseen - float(loss)), float(gain)))
    return points


def _accuracy_shares(scores: Values, labels: Labels, unseen: Flags) -> Values:
    """What each image adds to u or to s once its own side of the classes is predicted, float64 [N]."""
    is_unseen = unseen[labels]
    predicted = [np.where(side, scores, -np.inf).argmax(axis=1) for side in (unseen, ~unseen)]
    correct = np.where(is_unseen, *predicted) == labels
    counts = np.bincount(labels, minlength=len(unseen))
    classes = np.where(is_unseen, _count_present(labels, unseen), _count_present(labels, ~unseen))
    return np.asarray(correct / counts[labels] / classes, dtype=np.float64)


def _count_present(labels: Labels, flags: Flags) -> int:
    """Number of flagged classes that have an image."""
    return int(flags[np.unique(labels)].sum())


def area_under_curve(points: Sequence[StackingPoint]) -> float:
    """Integrates the seen-unseen curve by trapezia (AUSUC), 0 to 1.

    Args:
        points: Result of `seen_unseen_curve`.

    Source: Chao et al., ECCV 2016, section 3.
    """
    seen = np.array([point.seen for point in points])
    unseen = np.array([point.unseen for point in points])
    return float(np.sum(np.diff(seen) * (unseen[1:] + unseen[:-1]) / 2))


def evaluate_at(scores: Values, labels: Labels, unseen: Flags, shift: float) -> StackingPoint:
    """Computes seen and unseen accuracy under a given shift.

    Args:
        scores: float64 [N, classes], higher for a likelier class.
        labels: int64 [N], columns of `scores`; images of seen and of unseen classes, else an accuracy is NaN.
        unseen: bool [classes], which classes are unseen.
        shift: Subtracted from the scores of seen classes.
    """
    predicted = (scores - shift * ~unseen).argmax(axis=1)
    rows = unseen[labels]
    return StackingPoint(
        shift, class_accuracy(predicted[rows], labels[rows]), class_accuracy(predicted[~rows], labels[~rows])
    )


def best_stacking_shift(problems: Sequence[tuple[Values, Labels, Flags]], steps: int = 100) -> float:
    """Finds the shift whose H, averaged over several problems, is highest; of equal shifts the smallest.

    The best shift of each problem alone is no guide: where few classes are seen it differs by a factor of five, and
    a mean of such shifts leaves the range in which the others help. The grid consists of quantiles of the seen margins
    of all images and does not fall below 0, so that seen classes are never favoured further.

    Args:
        problems: Scores float64 [N, classes], labels int64 [N] and which classes are unseen, bool [classes]; at least
            one problem.
        steps: Number of steps of the grid.

    Source: a shift chosen by cross-validation over held-out classes: Chao et al., ECCV 2016, section 3; H as the
        measure of generalised zero-shot learning: Xian et al., IEEE TPAMI 41(9):2251, 2019.
    """
    margins = np.concatenate([seen_margin(scores, unseen) for scores, _, unseen in problems])
    grid = np.unique(np.append(0.0, np.quantile(margins, np.linspace(0, 1, steps + 1)).clip(0.0)))
    mean_harmonic = [np.mean([evaluate_at(*problem, shift).harmonic for problem in problems]) for shift in grid]
    return float(grid[int(np.argmax(mean_harmonic))])
