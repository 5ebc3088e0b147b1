"""A zero-shot study: every method on every trial, with random-table controls and chance, and the results in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import UsageError
from shared.progress import Progress
from shared.samples import SPLITS
from shared.seeding import generator
from shared.task import Task
from shared.zero_shot.attributes import AttributeTable
from shared.zero_shot.features import SideInformation, StudyData
from shared.zero_shot.methods import PrincipalAxes
from shared.zero_shot.metrics import Flags, Labels
from shared.zero_shot.protocol import METHODS, FittedMethod, choose, class_folds, evaluate, fit

CONTROLS = 5
"""Random attribute tables that each result is compared with."""
EXAMPLES = 6
"""Test images of unseen classes whose deciding attributes are reported."""
TOP_ATTRIBUTES = 5
"""Attributes reported for each of these images: those that weigh most."""
MIN_SEEN_CLASSES = 2
"""With fewer seen classes there is nothing to learn to distinguish."""
MEASURES = ("t1", "random_t1", "unseen", "seen", "harmonic", "random_harmonic", "area", "random_area")
CONFUSION_MEASURES = (
    "unseen_called_negative",
    "random_called_negative",
    "uncalibrated_called_negative",
    "false_alarms",
)
"""Further measures of tasks with a class that must not be missed. False alarms are negative images predicted as
positive: a calibration that predicts the unseen class for every image misses none of it, and is useless."""

NAMES = {
    "t1": "T1",
    "random_t1": "T1 of a random table",
    "unseen": "u",
    "seen": "s",
    "harmonic": "H",
    "random_harmonic": "H of a random table",
    "random_area": "area of a random table",
    "unseen_called_negative": "unseen called negative",
    "random_called_negative": "unseen called negative by a random table",
    "uncalibrated_called_negative": "unseen called negative, uncalibrated",
    "false_alarms": "false alarms",
}
"""Names of the measures in reports: those of Xian et al. 2019 where they have one."""


def parse_methods(text: str, side_information: SideInformation) -> list[str]:
    """Reads the names of methods from a text.

    Args:
        text: Names of methods, separated by commas, or `all`: every method that the application allows.
        side_information: Decides whether methods that need printed images are allowed.

    Returns:
        Names from `METHODS`, in the order given.

    Raises:
        UsageError: A method is unknown, or needs printed images and there are none.
    """
    allowed = [name for name, method in METHODS.items() if side_information.prints is not None or not method.printed]
    names = allowed if text == "all" else [name.strip() for name in text.split(",")]
    if refused := [name for name in names if name not in allowed]:
        raise UsageError(f"--methods: {', '.join(refused)} cannot be used here; allowed are {', '.join(allowed)}")
    return names


def draw_classes(classes: Sequence[str], count: int, seed: int) -> tuple[str, ...]:
    """Draws at random the classes that are to be unseen.

    Args:
        classes: Names of the classes that may be unseen.
        count: Number of classes to draw.
        seed: Seed of the draw.

    Returns:
        Names of the drawn classes, sorted.

    Raises:
        UsageError: There are fewer classes than are to be drawn.
    """
    if count > len(classes):
        raise UsageError(
            f"--draw {count}: {len(classes)} classes of the data may be unseen (those that the model was trained on "
            "may not); draw fewer"
        )
    order = generator(seed, "unseen classes").permutation(len(classes))
    return tuple(sorted(classes[i] for i in order[:count]))


def study(
    task: Task,
    side_information: SideInformation,
    trials: Iterable[tuple[StudyData, Sequence[str]]],
    methods: Sequence[str],
    progress: Progress,
) -> dict[str, Any]:
    """Evaluates every method on every trial, and random attribute tables as controls.

    Args:
        task: The application; states which classes must not be missed.
        side_information: Holds the attribute table from which the controls are drawn.
        trials: Data, as `extract_study_data` gives them, with the names of the unseen classes; at least one pair.
        methods: Names from `METHODS`.
        progress: Called with (what, done, total, note).

    Returns:
        Plain data: `classes`; `said` (display name of each class); `splits` (measures of every method on each trial);
        `summary` (mean and standard deviation of each measure); `chance`, the accuracy of guessing;
        `chance_called_negative`, the share of classes that are negative, or None without a positive class; `notes`
        (sentences); and `synthetic`.

    Raises:
        UsageError: An unseen class is not in the data or not in the test, or fewer than two classes are left to
            learn from.
    """
    runs: list[dict[str, Any]] = []
    for number, (data, names) in enumerate(trials):
        trial = _Trial.prepare(task, side_information, data, names, number)
        results: dict[str, Any] = {}
        for done, name in enumerate(methods):
            progress(f"zero-shot, trial {number + 1}", done, len(methods), name)
            results[name] = trial.run(name)
        progress(f"zero-shot, trial {number + 1}", len(methods), len(methods), "")
        held_out = [[data.classes[i] for i in fold] for fold in trial.folds]
        runs.append({"unseen": list(names), "held_out": held_out, "chance": 1 / len(names), "methods": results})
    negative = None if task.positive_name is None else float(np.mean([not task.is_positive(c) for c in data.classes]))
    return {
        "classes": list(data.classes),
        "said": {label: task.display_name(label) for label in data.classes},
        "chance": float(np.mean([run["chance"] for run in runs])),
        "chance_called_negative": negative,
        "summary": {name: _summarise([run["methods"][name] for run in runs]) for name in methods},
        "splits": runs,
        "notes": list(data.notes),
        "synthetic": data.synthetic,
    }


@dataclass(frozen=True)
class _Trial:
    """One choice of unseen classes on one split of the data.

    Attributes:
        data: Features and class signatures.
        table: The attribute table; controls are drawn from it.
        unseen: bool [classes].
        positive: bool [classes], those that must not be missed; None: the task has no such classes.
        folds: Seen classes that are held out in turn.
        seed: Seed of the controls.
    """

    data: StudyData
    table: AttributeTable
    unseen: Flags
    positive: Flags | None
    folds: tuple[Labels, ...]
    seed: int

    @classmethod
    def prepare(
        cls, task: Task, side_information: SideInformation, data: StudyData, names: Sequence[str], number: int
    ) -> _Trial:
        """Checks the unseen classes and draws the folds of seen ones; the number of the trial is its seed.

        Raises:
            UsageError: The data do not allow these classes to be unseen.
        """
        unseen = _unseen_flags(data, names)
        positive = None
        if task.positive_name is not None:
            positive = np.array([task.is_positive(label) for label in data.classes])
        always_seen = np.array([], dtype=np.int64) if positive is None else np.flatnonzero(~positive)
        folds = class_folds(_trained_classes(data, unseen), int(unseen.sum()), always_seen, number)
        return cls(data, side_information.table, unseen, positive, folds, number)

    def run(self, name: str) -> dict[str, Any]:
        """Chooses penalty and shift of a method, fits it, and measures it and its controls on the test."""
        data, unseen, method = self.data, self.unseen, METHODS[name]
        seen = np.flatnonzero(~unseen).tolist()
        train, validation = (data.splits[part].of_classes(seen) for part in SPLITS[:2])
        axes = PrincipalAxes.fit(train.features)
        choice = choose(method, train, validation, data.semantics, self.folds)
        model = fit(method, axes, train, data.semantics, choice.penalty)
        controls = [
            fit(method, axes, train, data.semantics.shuffled(self.table, 100 * self.seed + draw), choice.penalty)
            for draw in range(CONTROLS)
        ]
        found = evaluate(model, data.splits["test"], unseen, choice.shift)
        random = [evaluate(one, data.splits["test"], unseen, choice.shift) for one in controls]
        for measure in ("t1", "harmonic", "area"):
            found[f"random_{measure}"] = float(np.mean([one[measure] for one in random]))
        if self.positive is not None:
            found |= self._confusions(model, controls, self.positive, choice.shift)
        if not method.printed:
            found["examples"] = list(self._examples(model))
        return {**found, "penalty": choice.penalty, "shift": choice.shift, "held_out_area": choice.area}

    def _confusions(
        self, model: FittedMethod, controls: Sequence[FittedMethod], positive: Flags, shift: float
    ) -> dict[str, float]:
        """The `CONFUSION_MEASURES`; false alarms only where the test has images of negative classes."""
        missable = self.unseen & positive
        missed = [self._called_negative(one, missable, positive, shift) for one in (model, *controls)]
        uncalibrated = self._called_negative(model, missable, positive, 0.0)
        found = dict(zip(CONFUSION_MEASURES[:3], (missed[0], float(np.mean(missed[1:])), uncalibrated), strict=True))
        if np.isin(self.data.splits["test"].labels, np.flatnonzero(~positive)).any():
            found["false_alarms"] = 1.0 - self._called_negative(model, ~positive, positive, shift)
        return found

    def _called_negative(self, model: FittedMethod, classes: Flags, positive: Flags, shift: float) -> float:
        """Share of the test images of some classes that are predicted as a negative class; 0 where there are none.

        Args:
            model: The fitted method.
            classes: bool [classes], whose images count.
            positive: bool [classes].
            shift: Subtracted from the scores of seen classes.
        """
        test = self.data.splits["test"].of_classes(np.flatnonzero(classes).tolist())
        predicted = (model.scores(test.features) - shift * ~self.unseen).argmax(axis=1)
        return float((~positive[predicted]).mean()) if len(predicted) else 0.0

    def _examples(self, model: FittedMethod) -> Iterator[dict[str, Any]]:
        """Predictions among unseen classes, with the attributes that decided between the best and the second best."""
        data, unseen = self.data, self.unseen
        test = data.splits["test"].of_classes(np.flatnonzero(unseen).tolist())
        if unseen.sum() < 2:
            return
        rows = np.linspace(0, len(test.labels) - 1, EXAMPLES).astype(int)
        features = model.axes.transform(test.features[rows])
        scores = np.where(unseen, model.model.scores(features, model.signatures), -np.inf)
        for row, score, predicted in zip(rows, scores, model.model.predict_attributes(features), strict=True):
            first, second = np.argsort(-score)[:2]
            weights = (model.signatures[first] - model.signatures[second]) * predicted
            yield {
                "label": data.classes[int(test.labels[row])],
                "answer": data.classes[first],
                "second": data.classes[second],
                "attributes": self._top_attributes(data.classes[first], data.classes[second], predicted, weights),
            }

    def _top_attributes(
        self, first: str, second: str, predicted: Sequence[float], weights: NDArray[np.float64]
    ) -> list[dict[str, Any]]:
        """The attributes that weigh most between two classes, with their predicted and their tabled values."""
        first_row, second_row = self.table.signatures([first, second])
        return [
            {
                "name": self.table.names[i],
                "meaning": self.table.meanings[i],
                "predicted": float(predicted[i]),
                "answer": float(first_row[i]),
                "second": float(second_row[i]),
                "weight": float(weights[i]),
            }
            for i in np.argsort(-np.abs(weights))[:TOP_ATTRIBUTES]
        ]


def _unseen_flags(data: StudyData, names: Sequence[str]) -> Flags:
    """Marks the unseen classes, bool [classes].

    Raises:
        UsageError: A class is not in the data or not in the test, or too few classes are left to learn from.
    """
    classes = data.classes
    if unknown := sorted(set(names) - set(classes)):
        raise UsageError(f"--unseen: no class {', '.join(unknown)} in the data; it has {', '.join(classes)}")
    unseen = np.isin(np.array(classes), list(names))
    trained = _trained_classes(data, unseen)
    if len(trained) < MIN_SEEN_CLASSES:
        raise UsageError(
            f"with {', '.join(names)} unseen, {len(trained)} classes have training images; at least "
            f"{MIN_SEEN_CLASSES} must: name fewer unseen classes"
        )
    tested = np.isin(np.arange(len(classes)), data.splits["test"].labels)
    if missing := [name for name, blank in zip(classes, unseen & ~tested, strict=True) if blank]:
        raise UsageError(
            f"the test has no image of {', '.join(missing)}; use data or a split (data.split) whose test has some"
        )
    if not (tested & ~unseen).any():
        raise UsageError(
            "the test has images of unseen classes only; use data or a split (data.split) whose test has others too"
        )
    return unseen


def _trained_classes(data: StudyData, unseen: Flags) -> Labels:
    """The seen classes that have training images."""
    return np.intersect1d(np.unique(data.splits["train"].labels), np.flatnonzero(~unseen))


def _summarise(found: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Mean and standard deviation over trials of each measure that all trials have."""
    names = [*MEASURES, *(name for name in CONFUSION_MEASURES if all(name in one for one in found))]
    values = {name: np.array([one[name] for one in found]) for name in names}
    return {
        name: {"mean": float(row.mean()), "spread": float(row.std(ddof=1)) if len(row) > 1 else None}
        for name, row in values.items()
    }


def _describe_calibration(splits: Sequence[Mapping[str, Any]], display_names: Mapping[str, str]) -> Iterator[str]:
    """A line on how the calibration was chosen, or a caution that there is none."""
    counts = [len(entry["held_out"]) for entry in splits]
    if 0 in counts:
        yield (
            "caution: not calibrated, for fewer than two seen classes can be held out in turn: seen classes are "
            "favoured, so that unseen ones are hardly ever predicted"
        )
    elif all(len(fold) == 1 for entry in splits for fold in entry["held_out"]):
        held = {fold[0] for entry in splits for fold in entry["held_out"]}
        names = ", ".join(display_names[label] for label in display_names if label in held)
        yield f"calibrated for the highest mean H with each of {names} held out in turn"
    else:
        yield f"calibrated for the highest mean H with {len(splits[0]['held_out'][0])} seen classes held out in turn"


def mean_in_words(cell: Mapping[str, float | None]) -> str:
    """Formats a mean with its standard deviation in brackets, such as "0.512 (0.034)".

    Args:
        cell: `mean`, and `spread`, the standard deviation over trials; None, as after one trial, leaves it out.
    """
    return f"{cell['mean']:.3f}" + ("" if cell["spread"] is None else f" ({cell['spread']:.3f})")


def describe_study(tree: Mapping[str, Any]) -> Iterator[str]:
    """Writes the results of a study as lines of text.

    Args:
        tree: Result of `study`.
    """
    count, display_names = len(tree["splits"]), tree["said"]
    trials = "one trial" if count == 1 else f"{count} trials, mean and standard deviation"
    yield f"{trials}; chance {tree['chance']:.3f}"
    if all(len(entry["unseen"]) == 1 for entry in tree["splits"]):
        yield "only one class is unseen: T1, measured among unseen classes, is always 1"
    if tree["chance_called_negative"] is not None:
        yield f"called negative by chance: {tree['chance_called_negative']:.3f}, the share of classes that are negative"
    yield from _describe_calibration(tree["splits"], display_names)
    for name, row in tree["summary"].items():
        yield f"{name}: " + ", ".join(f"{NAMES.get(key, key)} {mean_in_words(row[key])}" for key in row)
    for name, result in tree["splits"][0]["methods"].items():
        for example in result.get("examples", ())[:1]:
            yield _describe_example(name, example, display_names)


def _describe_example(method: str, example: Mapping[str, Any], display_names: Mapping[str, str]) -> str:
    """A line on one prediction and the attributes that decided it."""
    label, answer, second = (display_names[example[key]] for key in ("label", "answer", "second"))
    because = "; ".join(
        f"{a['name']} {a['predicted']:+.2f} (table: {answer} {a['answer']:g}, {second} {a['second']:g})"
        for a in example["attributes"]
    )
    return f"{method}, an image of {label} taken for {answer}: {because}"
