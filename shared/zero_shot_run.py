"""From a configuration to what zero-shot gives on it: codes of the backbone, choices, measures, controls, a report."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.attributes import AttributeTable
from shared.backbones import find_backbone
from shared.building import build_network, check_backbone, device_of, find_code, preprocessing_of, read_parts
from shared.config import Config
from shared.division import divide
from shared.errors import ConfigError, UsageError
from shared.features import cached_codes
from shared.generalised import Flags, Labels
from shared.loading import load_dataset
from shared.progress import Progress
from shared.samples import SPLITS, Sample
from shared.seeding import generator
from shared.task import Image, Preprocessing, Task
from shared.weights import require_weights
from shared.zero_shot import Frame
from shared.zero_shot_study import METHODS, Coded, Fitted, Known, choose, fitted, held_out, measured

CONTROLS = 5
"""Random tables that each number is compared with."""
EXAMPLES = 6
FEWEST_SEEN = 2
"""Classes to learn from: with one there is nothing to tell apart."""
MEASURES = ("t1", "random_t1", "unseen", "seen", "harmonic", "random_harmonic", "area", "random_area")
CALLED = ("unseen_called_negative", "random_called_negative", "uncalibrated_called_negative", "false_alarms")
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


@dataclass(frozen=True)
class Prints:
    """Printed images of classes.

    Attributes:
        images: As the task preprocesses them.
        labels: Class of each.
        digest: Over all that determines the images, for the cache of their codes.
    """

    images: Sequence[Image]
    labels: Sequence[str]
    digest: str


@dataclass(frozen=True)
class Knowledge:
    """What an application knows of its classes without a picture of them.

    Attributes:
        table: Attributes of all classes.
        prints: Prints of some classes on the grid of a preprocessing; None where classes cannot be printed.
    """

    table: AttributeTable
    prints: Callable[[Sequence[str], Preprocessing], Prints] | None = None


@dataclass(frozen=True)
class Data:
    """Codes by split, and what is known of their classes."""

    classes: tuple[str, ...]
    parts: Mapping[str, Coded]
    known: Known
    notes: tuple[str, ...]
    synthetic: bool


def gather(
    task: Task, config: Config, knowledge: Knowledge, *, unseen: Collection[str] = (), root: Path, progress: Progress
) -> Data:
    """Reads and divides the data as a training does, and takes the codes of the configuration's backbone.

    Args:
        task: The application.
        config: Of a training.
        knowledge: What the application knows of its classes.
        unseen: Classes that need stand in the test alone.
        root: Where synthetic data lie.
        progress: Called with (what, done, total, note).

    Raises:
        MedtlError: As of a training; or a class is not in the attribute table.
    """
    task.register()
    spec = preprocessing_of(task, config)
    check_backbone(config)
    require_weights(find_backbone(config.backbone.name), config.backbone.weights)
    device = device_of(config)
    dataset = load_dataset(task, config.data, spec, root, progress)
    knowledge.table.of(dataset.classes)
    divided = divide(task, config.data, dataset, test_only=unseen, seed=config.seed, progress=progress)
    parts = read_parts(task, divided, spec, progress)
    if config.backbone.layers == "auto":
        raise ConfigError("backbone.layers: auto is chosen by images of all classes; name the layers for zero-shot")
    code, _ = find_code(config, parts, spec, dataset, device, progress)
    network, _ = build_network(config, code, spec, len(dataset.classes))

    def codes(images: Sequence[Image], samples: Sequence[Sample], digest: str, what: str) -> NDArray[np.float32]:
        said = partial(_codes_told, progress, what)
        found = cached_codes(network, images, samples, spec, content_hash=digest, device=device, progress=said)
        return np.asarray(found.block(0, len(samples)).numpy())

    coded = {
        name: Coded(codes(part.images, part.samples, dataset.content_hash, f"codes, {name}"), part.labels)
        for name, part in parts.items()
    }
    printed = None
    if knowledge.prints is not None:
        prints = knowledge.prints(dataset.classes, spec)
        names = [Sample(id=f"print-{number}", source="") for number in range(len(prints.images))]
        each = codes(prints.images, names, prints.digest, "codes, print")
        of = np.array(prints.labels)
        printed = np.stack([each[of == name].mean(axis=0) for name in dataset.classes])
    known = Known.of(dataset.classes, knowledge.table, printed)
    return Data(dataset.classes, coded, known, divided.notes, dataset.synthetic)


def divisions(
    task: Task,
    config: Config,
    knowledge: Knowledge,
    unseen: Sequence[str],
    count: int,
    *,
    root: Path,
    progress: Progress,
) -> Iterator[tuple[Data, Sequence[str]]]:
    """The same unseen classes on data divided by one seed after the other, from that of the configuration on.

    Raises:
        MedtlError: As of `gather`.
    """
    for seed in range(config.seed, config.seed + count):
        again = config.model_copy(update={"seed": seed})
        yield gather(task, again, knowledge, unseen=unseen, root=root, progress=progress), unseen


def _codes_told(progress: Progress, what: str, done: int, total: int) -> None:
    progress(what, done, total, "")


def chosen_methods(text: str, knowledge: Knowledge) -> list[str]:
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
    """Classes that shall be unseen, drawn at random."""
    order = generator(seed, "unseen classes").permutation(len(among))
    return tuple(sorted(among[i] for i in order[:count]))


def study(
    task: Task,
    knowledge: Knowledge,
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
        Plain data: `splits`, each with its methods' measures, and `summary`, mean and spread of each measure.

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
    tested = np.isin(np.arange(len(classes)), data.parts["test"].labels)
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
    return np.intersect1d(np.unique(data.parts["train"].labels), np.flatnonzero(~unseen))


def _kept(task: Task, data: Data) -> Labels:
    """Classes that never stand for unseen ones: where there is an event that must not be missed, those without it."""
    if task.positive_name is None:
        return np.array([], dtype=np.int64)
    return np.flatnonzero([not task.is_positive(label) for label in data.classes])


def _one(
    task: Task,
    data: Data,
    knowledge: Knowledge,
    unseen: Flags,
    name: str,
    turns: Sequence[Labels],
    *,
    seed: int,
) -> dict[str, Any]:
    seen = np.flatnonzero(~unseen).tolist()
    train, validation = (data.parts[part].of_classes(seen) for part in SPLITS[:2])
    method, frame = METHODS[name], Frame.of(train.codes)
    choice = choose(method, train, validation, data.known, turns)
    model = fitted(method, frame, train, data.known, choice.penalty)
    found = measured(model, data.parts["test"], unseen, choice.shift)
    random = [
        fitted(method, frame, train, data.known.shuffled(knowledge.table, 100 * seed + draw), choice.penalty)
        for draw in range(CONTROLS)
    ]
    controls = [measured(one, data.parts["test"], unseen, choice.shift) for one in random]
    for measure in ("t1", "harmonic", "area"):
        found[f"random_{measure}"] = float(np.mean([one[measure] for one in controls]))
    if task.positive_name is not None:
        positive = np.array([task.is_positive(label) for label in data.classes])
        missed = [_called_negative(data, one, unseen, positive, choice.shift) for one in (model, *random)]
        plain = _called_negative(data, model, unseen, positive, 0.0)
        found |= zip(CALLED[:3], (missed[0], float(np.mean(missed[1:])), plain), strict=True)
        if np.isin(data.parts["test"].labels, np.flatnonzero(~positive)).any():
            found["false_alarms"] = 1.0 - _called_negative(data, model, unseen, positive, choice.shift, of=~positive)
    if not method.printed:
        found["examples"] = list(_examples(data, knowledge.table, model, unseen))
    return {**found, "penalty": choice.penalty, "shift": choice.shift, "held_out_area": choice.area}


def _called_negative(
    data: Data,
    model: Fitted,
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
    test = data.parts["test"].of_classes(np.flatnonzero(unseen & positive if of is None else of).tolist())
    answers = (model.scores(test.codes) - shift * ~unseen).argmax(axis=1)
    return float((~positive[answers]).mean()) if len(answers) else 0.0


def _examples(data: Data, table: AttributeTable, model: Fitted, unseen: Flags) -> Iterator[dict[str, Any]]:
    """Some answers among unseen classes, with the attributes that decided between the first and the second."""
    test = data.parts["test"].of_classes(np.flatnonzero(unseen).tolist())
    if unseen.sum() < 2:
        return
    rows = np.linspace(0, len(test.labels) - 1, EXAMPLES).astype(int)
    codes = model.frame(test.codes[rows])
    scores = np.where(unseen, model.model.scores(codes, model.signatures), -np.inf)
    predicted = model.model.predicted(codes)
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
    names = [*MEASURES, *(name for name in CALLED if all(name in one for one in found))]
    values = {name: np.array([one[name] for one in found]) for name in names}
    return {
        name: {"mean": float(row.mean()), "spread": float(row.std(ddof=1)) if len(row) > 1 else None}
        for name, row in values.items()
    }


def _calibration_in_words(splits: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    turns = [len(entry["held_out"]) for entry in splits]
    if 0 in turns:
        yield (
            "caution: not calibrated, for fewer than two seen classes can be held out in turn: seen classes are "
            "favoured, so that unseen ones are hardly ever answered"
        )
    elif all(len(turn) == 1 for entry in splits for turn in entry["held_out"]):
        names = sorted({turn[0] for entry in splits for turn in entry["held_out"]})
        yield f"calibrated for the highest mean H with each of {', '.join(names)} held out in turn"
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
    yield from _calibration_in_words(tree["splits"])
    for name, row in tree["summary"].items():
        said = ", ".join(f"{NAMES.get(key, key)} {mean_in_words(row[key])}" for key in row)
        yield f"{name}: {said}"
    for entry in tree["splits"][:1]:
        for name, one in entry["methods"].items():
            for example in one.get("examples", ())[:1]:
                because = "; ".join(
                    f"{a['name']} {a['predicted']:+.2f} (table {a['answer']:g}, of {example['second']} {a['second']:g})"
                    for a in example["attributes"]
                )
                yield f"{name}, an image of {example['label']} taken for {example['answer']}: {because}"
