"""Zero-shot by the field's protocol: choice on held-out seen classes, then one look at classes never seen.

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
    area,
    best_stacking_shift,
    class_accuracy,
    curve,
    evaluate_at,
    unseen_accuracy,
)

MOST_TURNS = 5
"""Choices of seen classes that stand for unseen ones, at most: each costs a fit of every strength."""
Fit = Callable[[Values, Labels, Values, float], Compatibility]


@dataclass(frozen=True)
class Method:
    """A way from features to classes.

    Attributes:
        fit: One of `shared.zero_shot.methods`.
        printed: Whether signatures are mean features of printed classes, and not rows of the table.
        centred: Whether rows of the table are centred on the seen classes and brought to unit length.
        penalties: Strengths to choose among.
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
    """Features of images and what they show.

    Attributes:
        features: float32 [N, width].
        labels: int64 [N], indices into the classes of the study.
    """

    features: NDArray[np.float32]
    labels: Labels

    def of_classes(self, classes: Sequence[int]) -> FeatureSet:
        """The images of some classes alone."""
        rows = np.isin(self.labels, classes)
        return FeatureSet(self.features[rows], self.labels[rows])

    def also(self, other: FeatureSet) -> FeatureSet:
        """These and others."""
        return FeatureSet(np.concatenate([self.features, other.features]), np.concatenate([self.labels, other.labels]))


@dataclass(frozen=True)
class ClassSemantics:
    """What is known of every class, seen or not.

    Attributes:
        classes: Names.
        table: float64 [classes, attributes].
        printed: float32 [classes, width], mean features of each as print shows it; None where there is none.
    """

    classes: tuple[str, ...]
    table: Values
    printed: NDArray[np.float32] | None

    @classmethod
    def of(cls, classes: Sequence[str], table: AttributeTable, printed: NDArray[np.float32] | None) -> ClassSemantics:
        """Of the classes of a dataset."""
        return cls(tuple(classes), table.of(classes), printed)

    def shuffled(self, table: AttributeTable, seed: int) -> ClassSemantics:
        """The control: signatures that say nothing of their classes."""
        order = generator(seed, "random signatures").permutation(len(self.classes))
        printed = None if self.printed is None else self.printed[order]
        return ClassSemantics(self.classes, table.randomised(seed).of(self.classes), printed)


@dataclass(frozen=True)
class FittedMethod:
    """A method fitted to the images of seen classes.

    Attributes:
        frame: The axes of its features.
        model: The compatibility.
        signatures: float64 [classes, signature], of all classes as the model takes them.
    """

    frame: PrincipalAxes
    model: Compatibility
    signatures: Values

    def scores(self, features: NDArray[np.floating]) -> Values:
        """Float64 [N, classes]."""
        return self.model.scores(self.frame(features), self.signatures)

    def head(self, shift: float, unseen: Flags) -> tuple[Values, Values]:
        """The same as a linear head over features, calibrated: weight [classes, width] and bias [classes]."""
        mixed = self.signatures @ self.model.matrix
        weight = mixed @ self.frame.axes.T.astype(np.float64)
        bias = self.signatures @ self.model.bias - self.model.offset(self.signatures) - weight @ self.frame.mean
        return weight, bias - shift * ~unseen


def fit(method: Method, frame: PrincipalAxes, train: FeatureSet, known: ClassSemantics, penalty: float) -> FittedMethod:
    """A method fitted to images; the classes they show are the seen ones."""
    seen = np.unique(train.labels)
    if method.printed:
        if known.printed is None:
            raise ValueError("there is no print of these classes")
        signatures = frame(known.printed)
    else:
        signatures = known.table
    if method.centred:
        signatures = signatures - signatures[seen].mean(axis=0)
        signatures = signatures / np.linalg.norm(signatures, axis=1, keepdims=True).clip(1e-9)
    own = np.searchsorted(seen, train.labels)
    return FittedMethod(frame, method.fit(frame(train.features), own, signatures[seen], penalty), signatures)


@dataclass(frozen=True)
class Choice:
    """What held-out seen classes preferred.

    Attributes:
        penalty: The strength.
        shift: Of the calibration; 0 where no class could be held out.
        area: Under the seen-unseen curve on the held-out classes; None where there are none.
    """

    penalty: float
    shift: float
    area: float | None


def held_out(seen: Labels, unseen_count: int, kept: Labels, seed: int) -> tuple[Labels, ...]:
    """Which seen classes stand for unseen ones, in turn, while strength and calibration are chosen.

    Each turn is like what is asked for: as many classes are held out as are unseen, but at most a third of the seen
    ones, so that enough are left to learn from. Of few classes each is held out once.

    Args:
        seen: int64, the classes that are learnt from.
        unseen_count: How many are unseen in truth.
        kept: Classes that are never held out, for they are never unseen: those without the event that must not be
            missed, which all others lie near; a shift that finds them again would call every image unseen.
        seed: Of the order.

    Returns:
        Classes of each turn; empty where there are not two turns that leave two classes to tell apart, for one turn
        says nothing of how far its answer can be trusted.
    """
    candidates = np.setdiff1d(seen, kept)
    count = max(1, min(unseen_count, len(seen) // 3))
    turns = min(len(candidates) // count, MOST_TURNS)
    if turns < 2 or len(seen) - count < 2:
        return ()
    order = generator(seed, "held-out classes").permutation(candidates)
    return tuple(np.sort(order[turn * count : (turn + 1) * count]) for turn in range(turns))


def choose(
    method: Method, train: FeatureSet, validation: FeatureSet, known: ClassSemantics, turns: Sequence[Labels]
) -> Choice:
    """Strength and calibration, by seen classes that are held out as if they had not been seen.

    The strength is that of the largest mean area under the seen-unseen curve, the shift that of the highest mean H.
    Without turns the strength is that which tells seen validation images best, and nothing is calibrated.

    Args:
        method: Whose strength is chosen.
        train: Images of seen classes.
        validation: Further images of the same classes.
        known: Of all classes; nothing of unseen ones is used.
        turns: As `held_out` gives them.
    """
    if not turns:
        return Choice(_strength_of_seen(method, train, validation, known), 0.0, None)
    seen, classes = np.unique(train.labels), np.arange(len(known.classes))
    problems: dict[float, list[tuple[Values, Labels, Flags]]] = {penalty: [] for penalty in method.penalties}
    for held in turns:
        rest = np.setdiff1d(seen, held).tolist()
        part = train.of_classes(rest)
        judged = validation.of_classes(rest).also(train.of_classes(held.tolist()))
        frame = PrincipalAxes.of(part.features)
        for penalty, found in problems.items():
            scores = fit(method, frame, part, known, penalty).scores(judged.features)
            # classes that are unseen in truth are no candidates here
            found.append((np.where(np.isin(classes, seen), scores, -np.inf), judged.labels, np.isin(classes, held)))
    areas = {penalty: float(np.mean([area(curve(*one)) for one in found])) for penalty, found in problems.items()}
    best = max(areas, key=lambda penalty: areas[penalty])
    return Choice(best, best_stacking_shift(problems[best]), areas[best])


def _strength_of_seen(method: Method, train: FeatureSet, validation: FeatureSet, known: ClassSemantics) -> float:
    frame, seen = PrincipalAxes.of(train.features), np.isin(np.arange(len(known.classes)), train.labels)

    def told(penalty: float) -> float:
        scores = fit(method, frame, train, known, penalty).scores(validation.features)
        return class_accuracy(np.where(seen, scores, -np.inf).argmax(axis=1), validation.labels)

    return max(method.penalties, key=told)


def evaluate(model: FittedMethod, test: FeatureSet, unseen: Flags, shift: float) -> dict[str, Any]:
    """T1, u, s, H and the area under the seen-unseen curve, on test images of seen and unseen classes."""
    scores = model.scores(test.features)
    point, points = evaluate_at(scores, test.labels, unseen, shift), curve(scores, test.labels, unseen)
    return {
        "t1": unseen_accuracy(scores, test.labels, unseen),
        "unseen": point.unseen,
        "seen": point.seen,
        "harmonic": point.harmonic,
        "area": area(points),
        "curve": [[one.seen, one.unseen] for one in points[:: max(1, len(points) // 100)]],
    }
