"""The parts of a report for tasks without a positive class: rejection, recall of each class, and confused classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.data.split import Split
from shared.evaluation.decision.selective import risk_coverage
from shared.reporting.figures.curves import reject_curve
from shared.reporting.figures.sheets import thumbnail

MAX_PAIRS = 12
"""Most pairs of confused classes that are shown."""
MAX_EXAMPLES = 4
"""Most images shown of each class of a pair."""
CURVE_STEPS = 100
"""Points of a risk-coverage curve in `report.json`, about."""

DisplayName = Callable[[str], str]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Confusion:
    """A class whose images were taken for another class.

    Attributes:
        truth: Number of the true class.
        called: Number of the class that it was taken for.
        count: Number of images.
        mistaken: Indices of such images, the most confident answers first.
        right: Indices of images of `called` that were recognised, the most confident answers first.
    """

    truth: int
    called: int
    count: int
    mistaken: tuple[int, ...]
    right: tuple[int, ...]


def class_rows(result: Mapping[str, Any], classes: Sequence[str], display_name: DisplayName) -> list[dict[str, Any]]:
    """Makes a table of recall and precision by class: one row for each class, the lowest recall first.

    Args:
        result: Result of `shared.evaluation.evaluate.evaluate`.
        classes: Labels of the classes, in the order of the confusion matrix.
        display_name: Returns the display name of a label.

    Returns:
        Rows with `label`, `said` (its display name), `recall` and `precision` (measures, as in `result`), and
        `taken_for`, at most two classes for which its images were taken most often, with `label`, `said` and `count`.
        A class without an image comes last.
    """
    rows = []
    for number, label in enumerate(classes):
        counts = np.array(result["confusion"][number])
        counts[number] = 0
        rows.append(
            {
                "label": label,
                "said": display_name(label),
                "recall": result["recall"][label],
                "precision": result["precision"][label],
                "taken_for": [
                    {"label": classes[k], "said": display_name(classes[k]), "count": int(counts[k])}
                    for k in np.argsort(-counts, kind="stable")[:2].tolist()
                    if counts[k]
                ],
            }
        )
    # a class without an image has no recall and comes last
    return sorted(rows, key=lambda row: 2.0 if row["recall"]["value"] is None else row["recall"]["value"])


def scale_start(recalls: Sequence[Mapping[str, Any]]) -> float:
    """Finds where a common scale of rates begins that ends at 1 and shows every interval.

    Args:
        recalls: Measures with `low`, the lower end of the interval, or without where there is none.

    Returns:
        A tenth from 0 to 0.9.
    """
    bounds = [one["low"] for one in recalls if one.get("low") is not None]
    return round(min(float(np.floor(10.0 * min(bounds, default=0.0))) / 10.0, 0.9), 1)


def find_confusions(probabilities: Values, labels: NDArray[np.int64]) -> list[Confusion]:
    """Finds the pairs of classes that are confused most often, at most `MAX_PAIRS`, with examples.

    Args:
        probabilities: float64 [N, classes], 0 to 1.
        labels: int64 [N], true classes, indices into the columns of `probabilities`.

    Returns:
        The pairs, the most frequent first, with at most `MAX_EXAMPLES` examples of each kind; empty without mistakes.
    """
    predicted, size = probabilities.argmax(axis=1), probabilities.shape[1]
    counts = np.zeros((size, size), dtype=np.int64)
    np.add.at(counts, (labels, predicted), 1)
    np.fill_diagonal(counts, 0)
    surest = np.argsort(-probabilities.max(axis=1), kind="stable")

    def examples(truth: int, called: int) -> tuple[int, ...]:
        found = surest[(labels[surest] == truth) & (predicted[surest] == called)]
        return tuple(found[:MAX_EXAMPLES].tolist())

    found = []
    for flat in np.argsort(-counts, axis=None, kind="stable")[:MAX_PAIRS].tolist():
        truth, called = divmod(flat, size)
        if counts[truth, called]:
            count = int(counts[truth, called])
            found.append(Confusion(truth, called, count, examples(truth, called), examples(called, called)))
    return found


def confusion_tree(
    confusions: Sequence[Confusion],
    split: Split,
    probabilities: Values,
    classes: Sequence[str],
    display_name: DisplayName,
) -> list[dict[str, Any]]:
    """Makes the list of confused pairs for `report.json`; examples are given by the ids of their samples.

    Args:
        confusions: Result of `find_confusions`.
        split: The images and labels that they were found in.
        probabilities: float64 [N, classes], 0 to 1.
        classes: Labels of the classes.
        display_name: Returns the display name of a label.

    Returns:
        For each pair `truth` and `called` (each with `label` and `said`, its display name), `count`, `of` (number of
        images of the true class), and the examples `mistaken` and `right`, each with `sample` (its id) and
        `probability` (of its likeliest class).
    """

    def sample(i: int) -> dict[str, Any]:
        return {"sample": split.samples[i].id, "probability": float(probabilities[i].max())}

    return [
        {
            "truth": {"label": classes[one.truth], "said": display_name(classes[one.truth])},
            "called": {"label": classes[one.called], "said": display_name(classes[one.called])},
            "count": one.count,
            "of": int((split.labels == one.truth).sum()),
            "mistaken": [sample(i) for i in one.mistaken],
            "right": [sample(i) for i in one.right],
        }
        for one in confusions
    ]


def confusion_pictures(
    tree: Sequence[Mapping[str, Any]], confusions: Sequence[Confusion], split: Split, threshold: float
) -> list[dict[str, Any]]:
    """Adds to the pairs of `confusion_tree` pictures of their examples, and whether each answer was accepted.

    Args:
        tree: Result of `confusion_tree`.
        confusions: Result of `find_confusions`, from which `tree` was made.
        split: The images and labels that they were found in.
        threshold: Probability of the likeliest class from which an answer is accepted.

    Returns:
        Copies of the pairs, in which each example of `mistaken` and `right` has `image` (a PNG as a data address for
        HTML), `probability` (text with two decimals) and `accepted` (true or false).
    """
    cards = []
    for pair, one in zip(tree, confusions, strict=True):
        sides = {
            side: [
                {
                    "image": thumbnail(split.images[i].mean(axis=0)),
                    "probability": f"{facts['probability']:.2f}",
                    "accepted": facts["probability"] >= threshold,
                }
                for i, facts in zip(indices, pair[side], strict=True)
            ]
            for side, indices in (("mistaken", one.mistaken), ("right", one.right))
        }
        cards.append({**pair, **sides})
    return cards


def shaded(confusion: Sequence[Sequence[int]]) -> list[list[dict[str, Any]]]:
    """Makes the cells of a confusion matrix with their shades for a page.

    Args:
        confusion: [classes][classes] numbers of images; rows: true class, columns: likeliest class.

    Returns:
        Rows of cells with `count` and `shade`, 0 to 1: the share of the row that was mistaken so, relative to the
        largest such share of the matrix; on the diagonal, and without mistakes, 0.
    """
    counts = np.array(confusion, dtype=np.float64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    np.fill_diagonal(shares, 0.0)
    shades = shares / max(float(shares.max()), np.finfo(float).tiny)
    return [
        [{"count": int(count), "shade": round(float(shade), 3)} for count, shade in zip(*row, strict=True)]
        for row in zip(counts, shades, strict=True)
    ]


def curve_tree(probabilities: Mapping[str, Values], splits: Mapping[str, Split]) -> dict[str, list[dict[str, float]]]:
    """Computes the risk-coverage curve of each split for `report.json`.

    Args:
        probabilities: float64 [N, classes], 0 to 1, by name of the split.
        splits: The splits by name, for their labels.

    Returns:
        For each split of `probabilities` a list of at most `CURVE_STEPS` points with `threshold`, `coverage` and
        `error`, from the highest threshold down.
    """
    tree = {}
    for name, rows in probabilities.items():
        points = list(zip(*_curve(rows, splits[name].labels), strict=True))
        chosen = np.unique(np.linspace(0, len(points) - 1, CURVE_STEPS).astype(int)).tolist()
        tree[name] = [dict(zip(("threshold", "coverage", "error"), map(float, points[i]), strict=True)) for i in chosen]
    return tree


def curve_picture(
    probabilities: Mapping[str, Values],
    splits: Mapping[str, Split],
    results: Mapping[str, Mapping[str, Any]],
    target: float,
) -> str:
    """Draws the risk-coverage curves of validation and test, with the points of the chosen threshold.

    Args:
        probabilities: float64 [N, classes], 0 to 1, by name of the split: validation, then test.
        splits: The splits by name, for their labels.
        results: Result of `shared.evaluation.evaluate.evaluate`, by name of the split.
        target: The error rate among accepted answers that was asked for.

    Returns:
        A PNG as a data address for HTML (`data:image/png;base64,...`).
    """
    curves = {name: _curve(rows, splits[name].labels)[1:] for name, rows in probabilities.items()}
    points = {
        name: (result["coverage"]["value"], result["selective_error"]["value"])
        for name, result in results.items()
        if result["selective_error"]["value"] is not None
    }
    return reject_curve(curves, points, target)


def _curve(probabilities: Values, labels: NDArray[np.int64]) -> tuple[Values, Values, Values]:
    return risk_coverage(probabilities.max(axis=1), probabilities.argmax(axis=1) != labels)
