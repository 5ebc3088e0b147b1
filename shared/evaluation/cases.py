"""The input of every measure: cases with their probabilities, their true classes and the decisions made on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shared.evaluation.decision.aggregation import Aggregation
from shared.evaluation.decision.series import score_series
from shared.evaluation.rates import Flags, Rate, Units, Values
from shared.evaluation.statistics.groups import group_codes
from shared.samples import Grouping


class DecisionRule(Protocol):
    """The rule by which probabilities become decisions, for example the `ModelRecord` of a run."""

    @property
    def classes(self) -> Sequence[str]:
        """Names of the classes, in the order of the network's outputs."""

    @property
    def positive(self) -> Sequence[bool]:
        """For each class, whether it is the event that must not be missed."""

    @property
    def threshold(self) -> float:
        """Probability from which a case is called positive; without a positive class, from which it is accepted."""

    @property
    def image_threshold(self) -> float:
        """The threshold for a single image, where series have another one."""

    @property
    def aggregation(self) -> Aggregation:
        """How the slices of a series become one probability."""


@dataclass(frozen=True)
class Rule:
    """A `DecisionRule` of its own, where no run has been recorded.

    Attributes:
        classes: Names of the classes, in the order of the network's outputs.
        positive: For each class, whether it is the event that must not be missed.
        threshold: Probability from which a case is called positive; without a positive class, from which it is
            accepted.
        aggregation: How the slices of a series become one probability.
        of_images: The threshold for a single image; None: `threshold`.
    """

    classes: Sequence[str]
    positive: Sequence[bool]
    threshold: float
    aggregation: Aggregation = field(default_factory=Aggregation)
    of_images: float | None = None

    @property
    def image_threshold(self) -> float:
        """The threshold for a single image."""
        return self.threshold if self.of_images is None else self.of_images


@dataclass(frozen=True)
class UsageContext:
    """Facts on where a model will be used, such as prevalence and costs, on which measures depend.

    Attributes:
        prevalence: Share of positive cases there, 0 to 1; PPV and NPV are then given for it too. None: unknown.
        miss_cost: Cost of a missed positive case, in false alarms.
    """

    prevalence: float | None = None
    miss_cost: float = 1.0


@dataclass(frozen=True)
class ImageCounts:
    """The images of each of N groups (patients), counted by their truth and by the decision on each image alone.

    Attributes:
        positive: int64 [N], number of positive images.
        found: int64 [N], how many of these are called positive.
        called: int64 [N], number of images that are called positive, whether they are or not.
    """

    positive: NDArray[np.int64]
    found: NDArray[np.int64]
    called: NDArray[np.int64]

    @classmethod
    def of(cls, truth: Flags, called: Flags, groups: Sequence[str]) -> ImageCounts:
        """Counts images by group.

        Args:
            truth: bool [M], whether each image is positive.
            called: bool [M], whether it is called positive.
            groups: [M] group of each image; the result is in the order in which groups first occur.
        """
        codes = group_codes(groups)
        count = len(set(groups))
        kinds = (truth, truth & called, called)
        return cls(*(np.bincount(codes[kind], minlength=count).astype(np.int64) for kind in kinds))

    @classmethod
    def pooled(cls, parts: Sequence[ImageCounts]) -> ImageCounts:
        """Joins the counts of several tests, one test after the other."""
        return cls(
            np.concatenate([one.positive for one in parts]),
            np.concatenate([one.found for one in parts]),
            np.concatenate([one.called for one in parts]),
        )

    def where(self, chosen: Flags) -> ImageCounts:
        """Returns the counts of the chosen groups; `chosen` is bool [N]."""
        return ImageCounts(self.positive[chosen], self.found[chosen], self.called[chosen])


@dataclass(frozen=True)
class Cases:
    """N judged cases: images, or the groups (patients) that images belong to.

    Attributes:
        probabilities: float64 [N, classes], 0 to 1.
        labels: int64 [N], the true class of each case.
        predicted: int64 [N], the likeliest class of each case.
        positive: bool [classes], whether a class is the positive event; none is, in a task without screening.
        scores: float64 [N], 0 to 1: probability of the positive event; without one, of the likeliest class.
        called: bool [N], the decision: called positive; without a positive class, accepted.
        units: [N] number of the independent unit that each case belongs to.
        usage: Prevalence and costs where the model will be used.
        min_cases: Number of cases below which a rate is not given.
        images: The images of each case, where a case is a group (patient); None where it is an image.
    """

    probabilities: Values
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    positive: Flags
    scores: Values
    called: Flags
    units: Units
    usage: UsageContext = UsageContext()
    min_cases: int = 1
    images: ImageCounts | None = None

    @property
    def screening(self) -> bool:
        """Whether a class is the positive event."""
        return bool(self.positive.any())

    @property
    def truth(self) -> Flags:
        """Whether each case is positive, bool [N]."""
        return np.asarray(self.positive[self.labels])

    @property
    def wrong(self) -> Flags:
        """Whether the likeliest class of each case is not the true one, bool [N]."""
        return np.asarray(self.predicted != self.labels)

    @property
    def every(self) -> Flags:
        """A mask that chooses all cases: bool [N], all true."""
        return np.ones(len(self.labels), dtype=np.bool_)

    @property
    def rate(self) -> Rate:
        """The function that computes rates of these cases, with intervals that allow for units; see `Rate`."""
        return Rate(self.units, self.min_cases)

    def by_likeliest_class(self) -> Cases:
        """Returns the same cases, called positive where their likeliest class is a positive one.

        Without a positive class none is called positive."""
        return replace(self, called=self.positive[self.predicted])

    def where(self, chosen: Flags, min_cases: int) -> Cases:
        """Returns the chosen cases only, in the same order.

        Args:
            chosen: bool [N], true for the cases to keep.
            min_cases: Number of cases below which a rate of them is not given.
        """
        return replace(
            self,
            probabilities=self.probabilities[chosen],
            labels=self.labels[chosen],
            predicted=self.predicted[chosen],
            scores=self.scores[chosen],
            called=self.called[chosen],
            units=np.asarray(self.units)[chosen].tolist(),
            min_cases=min_cases,
            images=None if self.images is None else self.images.where(chosen),
        )


def image_cases(
    probabilities: Values,
    labels: NDArray[np.int64],
    rule: DecisionRule,
    units: Units,
    usage: UsageContext = UsageContext(),
) -> Cases:
    """Makes a case of each image, decided as prediction decides on a single image.

    Args:
        probabilities: float64 [N, classes], 0 to 1.
        labels: int64 [N], true classes, indices into the columns of `probabilities`.
        rule: The rule by which probabilities become decisions.
        units: [N] number of the independent unit of each image.
        usage: Prevalence and costs where the model will be used.

    Returns:
        N cases, in the order of the images.
    """
    positive = np.array(rule.positive, dtype=np.bool_)
    scores = probabilities[:, positive].sum(axis=1) if positive.any() else probabilities.max(axis=1)
    return Cases(
        probabilities=probabilities,
        labels=labels,
        predicted=probabilities.argmax(axis=1),
        positive=positive,
        scores=scores,
        called=scores >= rule.image_threshold,
        units=units,
        usage=usage,
    )


def group_cases(
    probabilities: Values,
    labels: NDArray[np.int64],
    rule: DecisionRule,
    grouping: Grouping,
    usage: UsageContext = UsageContext(),
) -> Cases:
    """Makes a case of each group (patient), with the truth and the decision of all its images together, and its images.

    A group is positive where one of its images is, and called positive where one of its series is. The cases have two
    classes, without and with the positive event; the likeliest one is the decision.

    Args:
        probabilities: float64 [N, classes] of images, 0 to 1.
        labels: int64 [N], true classes of images, indices into the columns of `probabilities`.
        rule: The rule by which probabilities become decisions; at least one of its classes is positive.
        grouping: Series, group and independent unit of each image.
        usage: Prevalence and costs where the model will be used.

    Returns:
        One case for each group, with two columns of probabilities: negative and positive.
    """
    positive = np.array(rule.positive, dtype=np.bool_)
    raw = probabilities[:, positive].sum(axis=1)
    series = score_series(raw, positive[labels], grouping, rule.aggregation)
    scores, truth, units = series.by_group()
    called = series.called_groups(rule.threshold, rule.image_threshold)
    images = image_cases(probabilities, labels, rule, grouping.units)
    return Cases(
        probabilities=np.stack([1.0 - scores, scores], axis=1),
        labels=truth.astype(np.int64),
        predicted=called.astype(np.int64),
        positive=np.array([False, True]),
        scores=scores,
        called=called,
        units=units,
        usage=usage,
        images=ImageCounts.of(images.truth, images.called, grouping.groups),
    )


def pool(cases: Sequence[Cases]) -> Cases:
    """Joins the cases of several tests, such as those of the folds of a cross-validation.

    Args:
        cases: Cases of each test, at least one test; all have the same classes.

    Returns:
        All cases, one test after the other; `positive`, `usage` and `min_cases` are those of the first test.
    """
    images = [one.images for one in cases if one.images is not None]
    return replace(
        cases[0],
        probabilities=np.concatenate([one.probabilities for one in cases]),
        labels=np.concatenate([one.labels for one in cases]),
        predicted=np.concatenate([one.predicted for one in cases]),
        scores=np.concatenate([one.scores for one in cases]),
        called=np.concatenate([one.called for one in cases]),
        units=[unit for one in cases for unit in one.units],
        images=ImageCounts.pooled(images) if len(images) == len(cases) else None,
    )
