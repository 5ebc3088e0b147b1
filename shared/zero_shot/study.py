"""From features to what zero-shot gives on them: choices, measures, controls, words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from shared.errors import UsageError
from shared.progress import Progress
from shared.samples import SPLITS
from shared.seeding import generator
from shared.task import Task
from shared.zero_shot.attributes import AttributeTable
from shared.zero_shot.features import Data, SideInformation
from shared.zero_shot.methods import PrincipalAxes
from shared.zero_shot.metrics import Flags, Labels
from shared.zero_shot.protocol import METHODS, FittedMethod, choose, evaluate, fit, held_out

CONTROLS = 5
"""Random tables that each number is compared with."""
EXAMPLES = 6
FEWEST_SEEN = 2
"""Classes to learn from: with one there is nothing to tell apart."""
MEASURES = ("t1", "random_t1", "unseen", "seen", "harmonic", "random_harmonic", "area", "random_area")
CONFUSION_MEASURES = (
    "unseen_called_negative",
    "random_called_negative",
    "uncalibrated_called_negative",
    "false_alarms",
)
"""Also summed up where a class is the event that must not be missed. False alarms are negative images called positive:
a calibration that calls all images the unseen class misses none of it, and is of no use."""

NAMES = {
    "t1": "T1",
    "random_t1": "T1 of a random table",
    "unseen": "u",
    "seen": "s",
    "harmonic": "H",
    "random_harmonic": "H of a random table",
    "random_area": "area of a random table",
    "unseen_called_negative": "unseen called negative",
    "random_called_negative": "the same by a random table",
    "uncalibrated_called_negative": "the same uncalibrated",
    "false_alarms": "false alarms",
}
"""Measures as Xian et al. 2018 name them, and as people are told them."""


def chosen_methods(text: str, knowledge: SideInformation) -> list[str]:
    """The methods that a person named, separated by commas; `all`: those that the application's knowledge allows.

    Raises:
        UsageError: One is unknown, or needs print where there is none.
    """
    possible = [name for name, method in METHODS.items() if knowledge.prints is not None or not method.printed]
    names = possible if text == "all" else [name.strip() for name in text.split(",")]
    if strange := [name for name in names if name not in possible]:
        raise UsageError(f"--methods: {', '.join(strange)} cannot be used here; allowed are {', '.join(possible)}")
    return names


def draw_classes(among: Sequence[str], count: int, seed: int) -> tuple[str, ...]:
    """Classes that shall be unseen, drawn at random.

    Raises:
        UsageError: There are not so many.
    """
    if count > len(among):
        raise UsageError(
            f"--draw {count}: {len(among)} classes of the data may be unseen (a model's own may not); draw fewer"
        )
    order = generator(seed, "unseen classes").permutation(len(among))
    return tuple(sorted(among[i] for i in order[:count]))


def study(
    task: Task,
    knowledge: SideInformation,
    trials: Iterable[tuple[Data, Sequence[str]]],
    methods: Sequence[str],
    progress: Progress,
) -> dict[str, Any]:
    """Every method in every trial, each beside its control and chance.

    Args:
        task: Says which classes are the event that must not be missed.
        knowledge: Gives the table that controls are drawn from.
        trials: Data as `gather` gives them, and which classes are unseen; at least one.
        methods: Of `METHODS`.
        progress: Called with (what, done, total, note).

    Returns:
        Plain data: `splits`, each with its methods' measures, `summary`, mean and spread of each measure, and `said`,
        how people are told each class.

    Raises:
        UsageError: An unseen class is not in the data or not in its test, or fewer than two classes are left to
            learn from.
    """
    runs: list[dict[str, Any]] = []
    for number, (data, names) in enumerate(trials):
        unseen = _flags(data, names)
        turns = held_out(_learnt(data, unseen), int(unseen.sum()), _kept(task, data), number)
        held = [[data.classes[i] for i in turn] for turn in turns]
        entry: dict[str, Any] = {"unseen": list(names), "held_out": held, "chance": 1 / len(names), "methods": {}}
        for done, name in enumerate(methods):
            progress(f"zero-shot, trial {number + 1}", done, len(methods), name)
            entry["methods"][name] = _one(task, data, knowledge, unseen, name, turns, seed=number)
        progress(f"zero-shot, trial {number + 1}", len(methods), len(methods), "")
        runs.append(entry)
    summary = {name: _summary([run["methods"][name] for run in runs]) for name in methods}
    negative = None if task.positive_name is None else float(np.mean([not task.is_positive(c) for c in data.classes]))
    return {
        "classes": list(data.classes),
        "said": {label: task.display_name(label) for label in data.classes},
        "chance": float(np.mean([run["chance"] for run in runs])),
        "chance_called_negative": negative,
        "summary": summary,
        "splits": runs,
        "notes": list(data.notes),
        "synthetic": data.synthetic,
    }


def _flags(data: Data, names: Sequence[str]) -> Flags:
    classes = data.classes
    if strange := sorted(set(names) - set(classes)):
        raise UsageError(f"--unseen: no class {', '.join(strange)} in the data; it has {', '.join(classes)}")
    unseen = np.isin(np.array(classes), list(names))
    learnt = _learnt(data, unseen)
    if len(learnt) < FEWEST_SEEN:
        raise UsageError(
            f"with {', '.join(names)} unseen, {len(learnt)} classes have training images; at least {FEWEST_SEEN} must"
        )
    tested = np.isin(np.arange(len(classes)), data.splits["test"].labels)
    if lacking := [name for name, blank in zip(classes, unseen & ~tested, strict=True) if blank]:
        raise UsageError(
            f"the test has no image of {', '.join(lacking)}; give data or a division (data.split) that has"
        )
    if not (tested & ~unseen).any():
        raise UsageError(
            "the test has images of unseen classes alone; give data or a division (data.split) with others"
        )
    return unseen


def _learnt(data: Data, unseen: Flags) -> Labels:
    return np.intersect1d(np.unique(data.splits["train"].labels), np.flatnonzero(~unseen))


def _kept(task: Task, data: Data) -> Labels:
    """Classes that never stand for unseen ones: where there is an event that must not be missed, those without it."""
    if task.positive_name is None:
        return np.array([], dtype=np.int64)
    return np.flatnonzero([not task.is_positive(label) for label in data.classes])


def _one(
    task: Task,
    data: Data,
    knowledge: SideInformation,
    unseen: Flags,
    name: str,
    turns: Sequence[Labels],
    *,
    seed: int,
) -> dict[str, Any]:
    seen = np.flatnonzero(~unseen).tolist()
    train, validation = (data.splits[part].of_classes(seen) for part in SPLITS[:2])
    method, frame = METHODS[name], PrincipalAxes.of(train.features)
    choice = choose(method, train, validation, data.known, turns)
    model = fit(method, frame, train, data.known, choice.penalty)
    found = evaluate(model, data.splits["test"], unseen, choice.shift)
    random = [
        fit(method, frame, train, data.known.shuffled(knowledge.table, 100 * seed + draw), choice.penalty)
        for draw in range(CONTROLS)
    ]
    controls = [evaluate(one, data.splits["test"], unseen, choice.shift) for one in random]
    for measure in ("t1", "harmonic", "area"):
        found[f"random_{measure}"] = float(np.mean([one[measure] for one in controls]))
    if task.positive_name is not None:
        positive = np.array([task.is_positive(label) for label in data.classes])
        missed = [_called_negative(data, one, unseen, positive, choice.shift) for one in (model, *random)]
        plain = _called_negative(data, model, unseen, positive, 0.0)
        found |= zip(CONFUSION_MEASURES[:3], (missed[0], float(np.mean(missed[1:])), plain), strict=True)
        if np.isin(data.splits["test"].labels, np.flatnonzero(~positive)).any():
            found["false_alarms"] = 1.0 - _called_negative(data, model, unseen, positive, choice.shift, of=~positive)
    if not method.printed:
        found["examples"] = list(_examples(data, knowledge.table, model, unseen))
    return {**found, "penalty": choice.penalty, "shift": choice.shift, "held_out_area": choice.area}


def _called_negative(
    data: Data,
    model: FittedMethod,
    unseen: Flags,
    positive: Flags,
    shift: float,
    *,
    of: Flags | None = None,
) -> float:
    """Share of test images whose answer among all classes is a negative one; 0 where there are no such images.

    Args:
        data: Whose test.
        model: That answers.
        unseen: bool [classes].
        positive: bool [classes].
        shift: Of the calibration.
        of: bool [classes], whose images; None: of unseen positive classes.
    """
    test = data.splits["test"].of_classes(np.flatnonzero(unseen & positive if of is None else of).tolist())
    answers = (model.scores(test.features) - shift * ~unseen).argmax(axis=1)
    return float((~positive[answers]).mean()) if len(answers) else 0.0


def _examples(data: Data, table: AttributeTable, model: FittedMethod, unseen: Flags) -> Iterator[dict[str, Any]]:
    """Some answers among unseen classes, with the attributes that decided between the first and the second."""
    test = data.splits["test"].of_classes(np.flatnonzero(unseen).tolist())
    if unseen.sum() < 2:
        return
    rows = np.linspace(0, len(test.labels) - 1, EXAMPLES).astype(int)
    features = model.frame(test.features[rows])
    scores = np.where(unseen, model.model.scores(features, model.signatures), -np.inf)
    predicted = model.model.predicted(features)
    for row, score, said in zip(rows, scores, predicted, strict=True):
        first, second = np.argsort(-score)[:2]
        share = (model.signatures[first] - model.signatures[second]) * said
        top = np.argsort(-np.abs(share))[:5]
        own, other = table.of([data.classes[first], data.classes[second]])
        yield {
            "label": data.classes[int(test.labels[row])],
            "answer": data.classes[first],
            "second": data.classes[second],
            "attributes": [
                {
                    "name": table.names[i],
                    "meaning": table.meanings[i],
                    "predicted": float(said[i]),
                    "answer": float(own[i]),
                    "second": float(other[i]),
                    "weight": float(share[i]),
                }
                for i in top
            ],
        }


def _summary(found: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float | None]]:
    names = [*MEASURES, *(name for name in CONFUSION_MEASURES if all(name in one for one in found))]
    values = {name: np.array([one[name] for one in found]) for name in names}
    return {
        name: {"mean": float(row.mean()), "spread": float(row.std(ddof=1)) if len(row) > 1 else None}
        for name, row in values.items()
    }


def _calibration_in_words(splits: Sequence[Mapping[str, Any]], said: Mapping[str, str]) -> Iterator[str]:
    turns = [len(entry["held_out"]) for entry in splits]
    if 0 in turns:
        yield (
            "caution: not calibrated, for fewer than two seen classes can be held out in turn: seen classes are "
            "favoured, so that unseen ones are hardly ever answered"
        )
    elif all(len(turn) == 1 for entry in splits for turn in entry["held_out"]):
        held = {turn[0] for entry in splits for turn in entry["held_out"]}
        names = ", ".join(said[label] for label in said if label in held)
        yield f"calibrated for the highest mean H with each of {names} held out in turn"
    else:
        yield f"calibrated for the highest mean H with {len(splits[0]['held_out'][0])} seen classes held out in turn"


def mean_in_words(cell: Mapping[str, float | None]) -> str:
    """A mean with its standard deviation; of one trial there is none."""
    return f"{cell['mean']:.3f}" + ("" if cell["spread"] is None else f" ({cell['spread']:.3f})")


def in_words(tree: Mapping[str, Any]) -> Iterator[str]:
    """What was found, for a person, a line each."""
    count = len(tree["splits"])
    trials = "one trial" if count == 1 else f"{count} trials, mean and standard deviation"
    yield f"{trials}; chance {tree['chance']:.3f}"
    if all(len(entry["unseen"]) == 1 for entry in tree["splits"]):
        yield "one class alone is unseen: t1, told among unseen classes, is 1 whatever is done"
    if tree["chance_called_negative"] is not None:
        yield f"called negative by chance: {tree['chance_called_negative']:.3f}, the share of classes that are negative"
    yield from _calibration_in_words(tree["splits"], tree["said"])
    for name, row in tree["summary"].items():
        yield f"{name}: " + ", ".join(f"{NAMES.get(key, key)} {mean_in_words(row[key])}" for key in row)
    said = tree["said"]
    for entry in tree["splits"][:1]:
        for name, one in entry["methods"].items():
            for example in one.get("examples", ())[:1]:
                label, answer, second = (said[example[key]] for key in ("label", "answer", "second"))
                because = "; ".join(
                    f"{a['name']} {a['predicted']:+.2f} (table {a['answer']:g}, of {second} {a['second']:g})"
                    for a in example["attributes"]
                )
                yield f"{name}, an image of {label} taken for {answer}: {because}"
