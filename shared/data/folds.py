"""Folds of training images in place of validation: in turn each is held out, and a network without it judges it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shared.config.schema import CHOSEN
from shared.data.group_split import fold_numbers
from shared.errors import DataError
from shared.samples import Sample
from shared.seeding import derive_seed

FOLDS = 5
"""Number of folds where each class has as many units: models learn from four fifths of the labels. Each fold costs one
more training. Source: Hastie, Tibshirani & Friedman, The Elements of Statistical Learning, 2009, section 7.10.1."""
DRAWS = 20
"""Draws that are tried for each number of folds, to find one in which no class stands in a single fold."""


@dataclass(frozen=True)
class Folds:
    """The fold of each of N labelled images.

    Attributes:
        numbers: int64 [N], number of the fold of each image, from 0.
        labels: int64 [N], class of each image.
        units: int64 [N], independent unit of each image (patient, copies of a picture). Training without a fold leaves
            out the units that stand in it, wherever else they stand.
        each: What each of them is: a draw of groups, or a domain.
    """

    numbers: NDArray[np.int64]
    labels: NDArray[np.int64]
    units: NDArray[np.int64]
    each: Literal["fold", "domain"] = "fold"

    @property
    def count(self) -> int:
        """Number of folds; 0 where nothing can be held out, because a class would be missing from what is left."""
        classes, numbers = len(np.unique(self.labels)), np.unique(self.numbers)
        whole = all(len(np.unique(self.labels[self._outside(number)])) == classes for number in numbers)
        return len(numbers) if whole else 0

    @property
    def statement(self) -> str:
        """What the folds chose, or that there are none, as a part of a sentence without a full stop."""
        if self.count:
            judged = ", each judged by a network that was trained without it," if self.each == "domain" else ""
            return (
                f"{self.count} {self.each}s of these{judged} stand for validation and chose {CHOSEN}, so that its "
                "numbers flatter; no other label was used"
            )
        return (
            "these cannot be divided into folds with every class in the rest, so that nothing was chosen: default "
            "layers and L2 strength, the last epoch, temperature 1, a threshold of 0.5 or the likeliest class"
        )

    def parts(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yields for each fold the indices of the images that are apart from it and of those inside it, int64 each."""
        for number in np.unique(self.numbers) if self.count else ():
            yield np.flatnonzero(self._outside(number)), np.flatnonzero(self.numbers == number)

    def at(self, rows: NDArray[np.int64]) -> Folds:
        """Returns the folds of the images at the indices `rows`, in that order; a class may then stand in one alone."""
        return Folds(self.numbers[rows], self.labels[rows], self.units[rows], self.each)

    def _outside(self, number: int) -> NDArray[np.bool_]:
        """Which images share no unit with a fold, bool [N]."""
        return ~np.isin(self.units, self.units[self.numbers == number])


def draw_folds(samples: Sequence[Sample], units: NDArray[np.int64], seed: int) -> Folds:
    """Divides labelled images into up to `FOLDS` folds, stratified by class, no unit divided, each class in several.

    Args:
        samples: N labelled samples, at least one.
        units: int64 [N], the independent unit of each, as `shared.data.group_split.group_units` numbers them.
        seed: Seed of the draw.

    Returns:
        The folds; `count` is 0 where a class has a single unit, or no draw was found that leaves every class elsewhere.
    """
    names, labels = np.unique([str(sample.label) for sample in samples], return_inverse=True)
    labels = labels.astype(np.int64)
    most = min(FOLDS, *(len(np.unique(units[labels == label])) for label in range(len(names))))
    for count in range(most, 1, -1):
        for draw in range(DRAWS):
            try:
                numbers = fold_numbers(samples, units, count, derive_seed(seed, "label folds", draw))
            except DataError:  # a fold would stay empty; another draw may fill it
                continue
            folds = Folds(numbers, labels, units)
            if folds.count:
                return folds
    return Folds(np.zeros(len(samples), dtype=np.int64), labels, units)


def domain_folds(samples: Sequence[Sample], units: NDArray[np.int64]) -> Folds:
    """Makes each domain of labelled images a fold.

    Args:
        samples: N labelled samples.
        units: int64 [N], the independent unit of each.

    Returns:
        The folds, in the order of the names of the domains.

    Raises:
        DataError: There is one domain alone, or nothing is left of a class without one of them.
    """
    domains, numbers = np.unique([sample.domain for sample in samples], return_inverse=True)
    if len(domains) < 2:
        raise DataError(
            f"data.cross_fitting: got domains, and all training images are of one, {domains[0]}; set groups, or name "
            "several datasets as data.collections"
        )
    _, labels = np.unique([str(sample.label) for sample in samples], return_inverse=True)
    folds = Folds(numbers.astype(np.int64), labels.astype(np.int64), units, "domain")
    if not folds.count:
        raise DataError(
            "data.cross_fitting: got domains, and without one of them no image of a class is left; set groups"
        )
    return folds
