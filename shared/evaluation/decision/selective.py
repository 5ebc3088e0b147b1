"""Selective classification: a probability below which answers are rejected, chosen on validation for an error rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared.errors import DataError
from shared.evaluation.decision.operating_point import unit_words
from shared.evaluation.statistics.groups import group_codes
from shared.evaluation.statistics.intervals import Evidence, level_among

COVERAGES = 50
"""Number of thresholds tried, at steps of 2% of coverage. Each takes its part of the error of the bound, which costs
little: for 100 errors in 16,000 answers the bound is 0.74% with one threshold, 0.84% with 50 and 0.86% with 100."""

Flags = NDArray[np.bool_]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Rejection:
    """A threshold and its certificate, counted by image: each answer is right or wrong on its own.

    The bound allows for images of one writer that are alike. Where the data do not say which writer each image is of,
    it cannot, and nothing is certified.

    Attributes:
        threshold: Probability of the likeliest class from which an answer is accepted.
        target: The error rate among accepted answers that was asked for.
        unit: What the bound allows for, in words: "writers", or "images, writers unknown".
        images: Number of images in validation.
        accepted: Number of answers at or above the threshold.
        wrong: Number of accepted answers whose likeliest class is not the true one.
        thresholds: Number of thresholds among which the validation data chose this one.
        choices: Number of models among which the same data chose.
        evidence: What the bound needs of the accepted answers.
        certified: Upper bound of the error rate among accepted answers on such data, with 95% confidence; None where
            the writers are unknown.
    """

    threshold: float
    target: float
    unit: str
    images: int
    accepted: int
    wrong: int
    thresholds: int
    choices: int
    evidence: Evidence
    certified: float | None

    @property
    def statement(self) -> str:
        """The certificate in one sentence without a full stop; it says so where the target cannot be certified."""
        text = (
            f"{self.accepted} of {self.images} images of validation ({self.accepted / self.images:.1%}) are accepted, "
            f"{self.wrong} of them wrong; this certifies "
        )
        if self.certified is None:
            return f"{text}nothing ({self.unit.partition(', ')[2]})"
        text += f"an error of at most {self.certified:.2%} among accepted answers on such images (95% confidence"
        among = [(self.thresholds, "thresholds"), (self.choices, "models")]
        if chosen := " and ".join(f"{count} {noun}" for count, noun in among if count > 1):
            text += f", allowing for a choice among {chosen}"
        text += ")"
        if self.certified > self.target:
            text += f"; {self.target:.2%} was asked for, which validation cannot certify"
        return text

    def among(self, choices: int) -> Rejection:
        """Restates the certificate for a choice among more models than were counted when it was made.

        Args:
            choices: Number of models among which the same validation chose; fewer than are counted already change
                nothing.
        """
        if choices <= self.choices or self.certified is None:
            return self
        return replace(self, choices=choices, certified=self.evidence.upper(level_among(self.thresholds * choices)))


def choose_rejection(
    confidence: Values,
    wrong: Flags,
    units: Sequence[int],
    target: float,
    *,
    threshold: float | None = None,
    choices: int = 1,
    named: bool = False,
    group_name: str = "group",
) -> Rejection:
    """Chooses the threshold that accepts most answers, among those whose error is certified to be at most `target`.

    Tried are thresholds that accept given shares of validation, fixed before any error is looked at. Below each other
    lie nested sets: of the k images above the (k + 1)-th largest confidence, given that value, the errors follow a
    binomial law with the true error rate above it, so that the upper bound of Clopper and Pearson holds although the
    threshold was read off the same images. Each bound is taken at its part of the 5% (Bonferroni), so all hold
    together, and the chosen one does, whichever it is. Where none keeps to the target, the one with the lowest bound
    stands, and says so.

    That is the risk control of Geifman and El-Yaniv with a fixed list in place of their binary search, whose steps
    depend on the errors. It holds for images drawn as those of validation; where images come in units (writers, copies
    of a picture), the bound allows for them and holds approximately. The temperature, one number that was fitted to
    the same images, is not allowed for: in simulations it costs nothing (`python -m benchmarks.certificates`).

    Args:
        confidence: float64 [N], probability of the likeliest class of each image.
        wrong: bool [N], whether that is not the true class.
        units: [N] number of the independent unit of each image.
        target: Highest error rate among accepted answers, over 0 and below 1.
        threshold: Used instead of a chosen one; None: choose.
        choices: Number of models among which the same data chose, at least 1.
        named: Whether the data say which group each image is of.
        group_name: What a group of images is, as in `shared.task.Task`.

    Returns:
        The threshold with its certificate; its bound is above the target where no threshold keeps to it, and None where
        groups are unknown.

    Raises:
        DataError: There is no image.

    Source: Geifman & El-Yaniv, Selective classification for deep neural networks, NeurIPS 2017, section 3 (the bound is
    that of Gascuel & Caraux 1992, which is Clopper and Pearson's).
    """
    count = len(confidence)
    if not count:
        raise DataError("validation holds no image: no threshold can be chosen for an error rate")
    tried = _thresholds(confidence) if threshold is None else [threshold]
    level = level_among(len(tried) * choices)
    codes, found = group_codes(units), list[tuple[float, Rejection]]()
    for at in tried:
        accepted = confidence >= at
        evidence = _evidence(wrong[accepted], codes[accepted])
        bound = evidence.upper(level)
        rejection = Rejection(
            threshold=at,
            target=target,
            unit=unit_words(group_name, named=named, series=False),
            images=count,
            accepted=int(accepted.sum()),
            wrong=int(wrong[accepted].sum()),
            thresholds=len(tried),
            choices=choices,
            evidence=evidence,
            certified=bound if named else None,
        )
        found.append((bound, rejection))
    kept = [one for bound, one in found if bound <= target]
    return max(kept, key=lambda one: one.accepted) if kept else min(found, key=lambda pair: pair[0])[1]


def risk_coverage(confidence: Values, wrong: Flags) -> tuple[Values, Values, Values]:
    """Computes the risk-coverage curve: threshold, coverage and error at each distinct confidence.

    Args:
        confidence: float64 [N], probability of the likeliest class of each image.
        wrong: bool [N], whether that is not the true class.

    Returns:
        Thresholds, coverages (share of images accepted) and errors (share of accepted images that are wrong), float64
        [T] each, from the highest of the T distinct confidences down.

    Source: El-Yaniv & Wiener, JMLR 11:1605, 2010 (the risk-coverage curve).
    """
    order = np.argsort(-confidence, kind="stable")
    ordered = confidence[order]
    # only the last of equal confidences is a set that a threshold can accept
    last = np.flatnonzero(np.diff(ordered, append=-np.inf))
    accepted = last + 1.0
    return ordered[last], accepted / len(confidence), np.cumsum(wrong[order])[last] / accepted


def _thresholds(confidence: Values) -> list[float]:
    """A threshold for each coverage that is tried, from all images down."""
    count, descending = len(confidence), np.sort(confidence)[::-1]
    accepted = sorted({-(-count * step // COVERAGES) for step in range(1, COVERAGES + 1)}, reverse=True)
    return [0.0 if kept == count else float(np.nextafter(descending[kept], 2.0)) for kept in accepted]


def _evidence(wrong: Flags, codes: NDArray[np.int64]) -> Evidence:
    """Weighs the accepted answers, by unit."""
    hits, trials = (np.bincount(codes, kind).astype(np.float64) for kind in (wrong, np.ones(len(wrong))))
    held = trials > 0
    return Evidence.of(hits[held], trials[held])
