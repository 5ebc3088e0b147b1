"""Generalised zero-shot protocol: hyperparameters chosen on held-out seen classes, then one look at unseen classes.

Source: Xian et al., Zero-Shot Learning - A Comprehensive Evaluation, IEEE TPAMI 41(9):2251, 2019.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.seeding import generator
from shared.zero_shot.attributes import AttributeTable
from shared.zero_shot.methods import Compatibility, PrincipalAxes, Values, dap, eszsl, prototypes, ranked
from shared.zero_shot.metrics import (
    Flags,
    Labels,
    area_under_curve,
    best_stacking_shift,
    class_accuracy,
    evaluate_at,
    seen_unseen_curve,
    unseen_accuracy,
)

MAX_CLASS_FOLDS = 5
"""Folds of seen classes that are held out in turn, at most: each costs one fit for every penalty."""
MAX_CURVE_POINTS = 100
"""About how many points of a seen-unseen curve are kept for the report."""
Fit = Callable[[Values, Labels, Values, float], Compatibility]


@dataclass(frozen=True)
class Method:
    """A zero-shot method with the signatures it takes and the penalties to choose among.

    Attributes:
        fit: A function of `shared.zero_shot.methods`.
        printed: Whether signatures are mean features of printed classes, and not attributes.
        centred: Whether attributes are centred on the seen classes and scaled to unit length.
        penalties: Regularisation strengths to choose among.
    """

    fit: Fit
    printed: bool
    centred: bool
    penalties: tuple[float, ...]


METHODS: Mapping[str, Method] = {
    "dap": Method(dap, False, False, (1e-2, 1e-3)),
    "eszsl": Method(eszsl, False, True, (1e-1, 1e-2, 1e-3)),
    "ale": Method(lambda *given: ranked(*given, by_rank=True), False, True, (1e-3, 1e-4)),
    "devise": Method(lambda *given: ranked(*given, by_rank=False), False, True, (1e-3, 1e-4)),
    "prototypes": Method(prototypes, True, False, (0.1, 0.3, 1.0, 3.0, 1e3)),
}


@dataclass(frozen=True)
class FeatureSet:
    """Features of images with their labels.

    Attributes:
        features: float32 [N, width].
        labels: int64 [N], indices into the classes of the study.
    """

    features: NDArray[np.float32]
    labels: Labels

    def of_classes(self, classes: Sequence[int]) -> FeatureSet:
        """Selects the images of some classes, in their order, as a new set; empty where no image is of them.

        Args:
            classes: Indices into the classes of the study.
        """
        rows = np.isin(self.labels, classes)
        return FeatureSet(self.features[rows], self.labels[rows])

    def joined(self, other: FeatureSet) -> FeatureSet:
        """Joins two sets into a new one: the images of this set, then those of `other`."""
        return FeatureSet(np.concatenate([self.features, other.features]), np.concatenate([self.labels, other.labels]))


@dataclass(frozen=True)
class ClassSemantics:
    """Signatures of all classes of a dataset, seen and unseen.

    Attributes:
        classes: Names of the classes.
        attributes: float64 [classes, attributes], 0 to 1.
        printed: float32 [classes, width], mean features of the printed images of each class; None: there are none.
    """

    classes: tuple[str, ...]
    attributes: Values
    printed: NDArray[np.float32] | None

    @classmethod
    def from_table(
        cls, classes: Sequence[str], table: AttributeTable, printed: NDArray[np.float32] | None
    ) -> ClassSemantics:
        """Makes the signatures of a dataset's classes from an attribute table and printed features.

        Args:
            classes: Names of the classes.
            table: The table, with a row for each class.
            printed: float32 [classes, width], mean features of printed images of each class; None: there are none.

        Raises:
            UnknownNameError: A class has no row in the table.
        """
        return cls(tuple(classes), table.signatures(classes), printed)

    def shuffled(self, table: AttributeTable, seed: int) -> ClassSemantics:
        """Makes wrong signatures of the same classes, as a control without meaning.

        Attributes are those of `table` after the values of each attribute were permuted among the classes. The rows of
        `printed` are permuted as a whole: each class gets the mean features of a class drawn at random.

        Args:
            table: The attribute table that is permuted, with a row for each class.
            seed: Seed of both permutations.

        Returns:
            New signatures; `printed` is None where these have none.

        Raises:
            UnknownNameError: A class has no row in `table`.
        """
        order = generator(seed, "random signatures").permutation(len(self.classes))
        printed = None if self.printed is None else self.printed[order]
        return ClassSemantics(self.classes, table.randomised(seed).signatures(self.classes), printed)


@dataclass(frozen=True)
class FittedMethod:
    """A method that was fitted to images of seen classes.

    Attributes:
        axes: Projection of the features.
        model: The fitted compatibility.
        signatures: float64 [classes, signature] of all classes, prepared as the model needs them.
    """

    axes: PrincipalAxes
    model: Compatibility
    signatures: Values

    def scores(self, features: NDArray[np.floating]) -> Values:
        """Scores images against all classes of the study, float64 [N, classes]; the likelier the class, the higher.

        Args:
            features: float [N, width], features as the network gives them, not projected.
        """
        return self.model.scores(self.axes.transform(features), self.signatures)


def fit(
    method: Method, axes: PrincipalAxes, train: FeatureSet, semantics: ClassSemantics, penalty: float
) -> FittedMethod:
    """Fits a method to training images, whose classes are the seen ones.

    Args:
        method: The method.
        axes: Projection of the features, fitted to training features.
        train: Images of the seen classes.
        semantics: Signatures of all classes.
        penalty: Regularisation strength.

    Raises:
        ValueError: The method needs printed images and there are none.
    """
    seen = np.unique(train.labels)
    if method.printed:
        if semantics.printed is None:
            raise ValueError("this method needs features of printed images, and these classes have none")
        signatures = axes.transform(semantics.printed)
    else:
        signatures = semantics.attributes
    if method.centred:
        signatures = signatures - signatures[seen].mean(axis=0)
        signatures = signatures / np.linalg.norm(signatures, axis=1, keepdims=True).clip(1e-9)
    rows = np.searchsorted(seen, train.labels)
    return FittedMethod(axes, method.fit(axes.transform(train.features), rows, signatures[seen], penalty), signatures)


@dataclass(frozen=True)
class Choice:
    """Penalty and stacking shift that were chosen on held-out seen classes.

    Attributes:
        penalty: Regularisation strength.
        shift: Subtracted from the scores of seen classes; 0 where no class could be held out.
        area: Mean area under the seen-unseen curves of the held-out classes, 0 to 1; None where none could be held out.
    """

    penalty: float
    shift: float
    area: float | None


def class_folds(seen: Labels, unseen_count: int, always_seen: Labels, seed: int) -> tuple[Labels, ...]:
    """Draws folds of seen classes, each held out in turn in place of the unseen classes.

    Each fold resembles the task: it has as many classes as are unseen, but at most a third of the seen ones, so that
    enough are left to learn from. No class is in two folds.

    Args:
        seen: int64, indices of the seen classes.
        unseen_count: Number of unseen classes.
        always_seen: Classes that are never held out, because they are never unseen: those without the event that must
            not be missed. All others resemble them; a shift that recovers them would predict every image as unseen.
        seed: Seed of the order of the classes.

    Returns:
        Indices of the classes of each fold, int64, sorted. Empty where two folds that each leave two classes to learn
        from are not possible: one fold alone shows nothing of how far its answer can be trusted.
    """
    candidates = np.setdiff1d(seen, always_seen)
    size = max(1, min(unseen_count, len(seen) // 3))
    count = min(len(candidates) // size, MAX_CLASS_FOLDS)
    if count < 2 or len(seen) - size < 2:
        return ()
    order = generator(seed, "held-out classes").permutation(candidates)
    return tuple(np.sort(order[fold * size : (fold + 1) * size]) for fold in range(count))


def choose(
    method: Method, train: FeatureSet, validation: FeatureSet, semantics: ClassSemantics, folds: Sequence[Labels]
) -> Choice:
    """Chooses penalty and stacking shift on seen classes that are held out as if they were unseen.

    The penalty has the largest mean area under the seen-unseen curve, the shift the highest mean H. Without folds the
    penalty has the highest accuracy on seen validation images, and nothing is calibrated.

    Args:
        method: The method whose penalty is chosen.
        train: Training images of seen classes.
        validation: Validation images of the same classes.
        semantics: Signatures of all classes; those of unseen classes are not used.
        folds: Result of `class_folds`.
    """
    if not folds:
        return Choice(_penalty_of_seen(method, train, validation, semantics), 0.0, None)
    problems: dict[float, list[tuple[Values, Labels, Flags]]] = {penalty: [] for penalty in method.penalties}
    for held in folds:
        for penalty, problem in _held_out_problems(method, train, validation, semantics, held):
            problems[penalty].append(problem)
    areas = {
        penalty: float(np.mean([area_under_curve(seen_unseen_curve(*one)) for one in found]))
        for penalty, found in problems.items()
    }
    best = max(areas, key=lambda penalty: areas[penalty])
    return Choice(best, best_stacking_shift(problems[best]), areas[best])


def _held_out_problems(
    method: Method, train: FeatureSet, validation: FeatureSet, semantics: ClassSemantics, held: Labels
) -> list[tuple[float, tuple[Values, Labels, Flags]]]:
    """Fits the method without the held-out classes; by penalty: scores, labels and which classes were held out."""
    seen, classes = np.unique(train.labels), np.arange(len(semantics.classes))
    rest = np.setdiff1d(seen, held).tolist()
    part = train.of_classes(rest)
    judged = validation.of_classes(rest).joined(train.of_classes(held.tolist()))
    axes = PrincipalAxes.fit(part.features)
    found = []
    for penalty in method.penalties:
        scores = fit(method, axes, part, semantics, penalty).scores(judged.features)
        # the classes that are unseen in the test are no candidates here
        scores = np.where(np.isin(classes, seen), scores, -np.inf)
        found.append((penalty, (scores, judged.labels, np.isin(classes, held))))
    return found


def _penalty_of_seen(method: Method, train: FeatureSet, validation: FeatureSet, semantics: ClassSemantics) -> float:
    """The penalty with the highest per-class accuracy on validation images of seen classes."""
    axes, seen = PrincipalAxes.fit(train.features), np.isin(np.arange(len(semantics.classes)), train.labels)

    def accuracy(penalty: float) -> float:
        scores = fit(method, axes, train, semantics, penalty).scores(validation.features)
        return class_accuracy(np.where(seen, scores, -np.inf).argmax(axis=1), validation.labels)

    return max(method.penalties, key=accuracy)


def evaluate(model: FittedMethod, test: FeatureSet, unseen: Flags, shift: float) -> dict[str, Any]:
    """Measures a fitted method on test images of seen and unseen classes.

    Args:
        model: The fitted method.
        test: Test images.
        unseen: bool [classes], which classes are unseen.
        shift: Subtracted from the scores of seen classes.

    Returns:
        `t1` (accuracy among unseen classes alone), `unseen` (u) and `seen` (s) accuracy with all classes as candidates,
        `harmonic` (H, the harmonic mean of u and s) and `area` (under the seen-unseen curve), each 0 to 1; and `curve`,
        a list of pairs of s and u.
    """
    scores = model.scores(test.features)
    point, points = evaluate_at(scores, test.labels, unseen, shift), seen_unseen_curve(scores, test.labels, unseen)
    return {
        "t1": unseen_accuracy(scores, test.labels, unseen),
        "unseen": point.unseen,
        "seen": point.seen,
        "harmonic": point.harmonic,
        "area": area_under_curve(points),
        "curve": [[one.seen, one.unseen] for one in points[:: max(1, len(points) // MAX_CURVE_POINTS)]],
    }
