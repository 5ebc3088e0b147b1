"""Zero-shot by the field's protocol: choice on held-out seen classes, then one look at classes never seen.

Source: Xian et al., Zero-Shot Learning - A Comprehensive Evaluation, IEEE TPAMI 41(9):2251, 2019.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.attributes import AttributeTable
from shared.generalised import Flags, Labels, Point, area, at_shift, curve, unseen_accuracy
from shared.seeding import generator
from shared.zero_shot import Compatibility, Frame, Values, dap, eszsl, prototypes, ranked

HELD_OUT_DRAWS = 2
"""Choices of seen classes that stand for unseen ones while a strength is chosen."""
Fit = Callable[[Values, Labels, Values, float], Compatibility]


@dataclass(frozen=True)
class Method:
    """A way from codes to classes.

    Attributes:
        fit: One of `shared.zero_shot`.
        printed: Whether signatures are mean codes of printed classes, and not rows of the table.
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
class Coded:
    """Codes of images and what they show.

    Attributes:
        codes: float32 [N, width].
        labels: int64 [N], indices into the classes of the study.
    """

    codes: NDArray[np.float32]
    labels: Labels

    def of_classes(self, classes: Sequence[int]) -> Coded:
        """The images of some classes alone."""
        rows = np.isin(self.labels, classes)
        return Coded(self.codes[rows], self.labels[rows])

    def also(self, other: Coded) -> Coded:
        """These and others."""
        return Coded(np.concatenate([self.codes, other.codes]), np.concatenate([self.labels, other.labels]))


@dataclass(frozen=True)
class Known:
    """What is known of every class, seen or not.

    Attributes:
        classes: Names.
        table: float64 [classes, attributes].
        printed: float32 [classes, width], mean codes of each as print shows it; None where there is none.
    """

    classes: tuple[str, ...]
    table: Values
    printed: NDArray[np.float32] | None

    @classmethod
    def of(cls, classes: Sequence[str], table: AttributeTable, printed: NDArray[np.float32] | None) -> Known:
        """Of the classes of a dataset."""
        return cls(tuple(classes), table.of(classes), printed)

    def shuffled(self, table: AttributeTable, seed: int) -> Known:
        """The control: signatures that say nothing of their classes."""
        order = generator(seed, "random signatures").permutation(len(self.classes))
        printed = None if self.printed is None else self.printed[order]
        return Known(self.classes, table.randomised(seed).of(self.classes), printed)


@dataclass(frozen=True)
class Fitted:
    """A method fitted to the images of seen classes.

    Attributes:
        frame: The axes of its codes.
        model: The compatibility.
        signatures: float64 [classes, signature], of all classes as the model takes them.
    """

    frame: Frame
    model: Compatibility
    signatures: Values

    def scores(self, codes: NDArray[np.floating]) -> Values:
        """Float64 [N, classes]."""
        return self.model.scores(self.frame(codes), self.signatures)

    def head(self, shift: float, unseen: Flags) -> tuple[Values, Values]:
        """The same as a linear head over codes, calibrated: weight [classes, width] and bias [classes]."""
        mixed = self.signatures @ self.model.matrix
        weight = mixed @ self.frame.axes.T.astype(np.float64)
        bias = self.signatures @ self.model.bias - self.model.offset(self.signatures) - weight @ self.frame.mean
        return weight, bias - shift * ~unseen


def fitted(method: Method, frame: Frame, train: Coded, known: Known, penalty: float) -> Fitted:
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
    return Fitted(frame, method.fit(frame(train.codes), own, signatures[seen], penalty), signatures)


@dataclass(frozen=True)
class Choice:
    """What held-out seen classes preferred.

    Attributes:
        penalty: The strength.
        shift: Of the calibration.
        area: Under the seen-unseen curve on the held-out classes.
    """

    penalty: float
    shift: float
    area: float


def choose(method: Method, train: Coded, validation: Coded, known: Known, unseen_count: int, seed: int) -> Choice:
    """Strength and calibration, by seen classes that are held out as if they had not been seen.

    Args:
        method: Whose strength is chosen.
        train: Images of seen classes.
        validation: Further images of the same classes.
        known: Of all classes; nothing of unseen ones is used.
        unseen_count: As many are held out, at most a third of the seen ones.
        seed: Of the draws.
    """
    seen = np.unique(train.labels)
    count = max(1, min(unseen_count, len(seen) // 3))
    order = generator(seed, "held-out classes").permutation(seen)
    trials: dict[float, list[tuple[float, Point]]] = {penalty: [] for penalty in method.penalties}
    for draw in range(HELD_OUT_DRAWS):
        held = np.roll(order, -draw * count)[:count]
        rest = np.setdiff1d(seen, held)
        part, judged = train.of_classes(rest.tolist()), validation.of_classes(rest.tolist())
        judged = judged.also(train.of_classes(held.tolist()))
        frame = Frame.of(part.codes)
        for penalty, found in trials.items():
            model = fitted(method, frame, part, known, penalty)
            unseen = np.isin(np.arange(len(known.classes)), held)
            # classes that are unseen in truth are no candidates here
            scores = np.where(np.isin(np.arange(len(known.classes)), seen), model.scores(judged.codes), -np.inf)
            points = curve(scores, judged.labels, unseen)
            found.append((area(points), max(points, key=lambda point: point.harmonic)))
    best = max(trials, key=lambda penalty: float(np.mean([one for one, _ in trials[penalty]])))
    shift = float(np.mean([point.shift for _, point in trials[best]]))
    return Choice(best, shift, float(np.mean([one for one, _ in trials[best]])))


def measured(model: Fitted, test: Coded, unseen: Flags, shift: float) -> dict[str, Any]:
    """T1, u, s, H and the area under the seen-unseen curve, on test images of seen and unseen classes."""
    scores = model.scores(test.codes)
    point, points = at_shift(scores, test.labels, unseen, shift), curve(scores, test.labels, unseen)
    return {
        "t1": unseen_accuracy(scores, test.labels, unseen),
        "unseen": point.unseen,
        "seen": point.seen,
        "harmonic": point.harmonic,
        "area": area(points),
        "curve": [[one.seen, one.unseen] for one in points[:: max(1, len(points) // 100)]],
    }
