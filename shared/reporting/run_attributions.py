"""The attributions in a run's report: maps of test images, and their agreement with masks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.explanation.attribution import DEFAULT_METHOD, attribute
from shared.explanation.pointing_game import agreement
from shared.progress import Progress
from shared.reporting.figures.sheets import outlined, overlaid
from shared.reporting.finished import Finished
from shared.seeding import generator
from shared.task import Task

SHEET_IMAGES = 6
HITS_A_CLASS = 3
"""Correct answers of each class that may stand on the sheet."""


def attribution_pictures(task: Task, done: Finished) -> list[dict[str, str]]:
    """Makes pictures of test images, at most `SHEET_IMAGES`, and of the attribution maps of their answers.

    The most confident mistakes come first, then the most confident right answers of each class. Masks are outlined.

    Args:
        task: The application, which reads the masks.
        done: The finished training.

    Returns:
        For each image `image` and `map` (PNGs as data addresses for HTML), `said` and `truth` (classes), and
        `probability` (text).
    """
    test, names, rows = done.splits["test"], done.record.classes, done.probabilities["test"]
    chosen = _sheet_images(rows, test.labels)
    images = np.stack([test.images[i] for i in chosen])
    predicted = rows[chosen].argmax(axis=1)
    maps = attribute(done.network, images, predicted, done.device, DEFAULT_METHOD)
    found = []
    for i, image, guess, attribution in zip(chosen, images.mean(axis=1), predicted, maps, strict=True):
        mask = task.read_mask(test.samples[i], done.record.preprocessing)
        found.append(
            {
                "image": outlined(image, mask),
                "map": overlaid(image, attribution),
                "said": names[guess],
                "truth": names[test.labels[i]],
                "probability": f"{rows[i, guess]:.2f}",
            }
        )
    return found


def mask_agreement(task: Task, done: Finished, progress: Progress) -> dict[str, Any] | None:
    """Compares the maps of each attribution method with the masks of test images, one image of each unit.

    Args:
        task: The application, which reads the masks.
        done: The finished training; its `explained_images` says how many images are compared at most.
        progress: Called with (what, done, total, note).

    Returns:
        `images`, `methods` and `chance`, as `shared.explanation.pointing_game.agreement` gives them; None where no test
        image has a mask.
    """
    test = done.splits["test"]
    images: list[NDArray[np.float32]] = []
    masks: list[NDArray[np.bool_]] = []
    targets: list[int] = []
    units: set[int] = set()
    for index in generator(0, "masked images").permutation(len(test.samples)).tolist():
        unit, sample = test.grouping.units[index], test.samples[index]
        if len(images) == done.explained_images or sample.mask is None or unit in units:
            continue
        mask = task.read_mask(sample, done.record.preprocessing)
        if mask is not None and mask.any():
            units.add(unit)
            images.append(test.images[index])
            masks.append(mask)
            targets.append(int(test.labels[index]))
    if not images:
        return None
    return agreement(done.network, images, masks, targets, done.device, progress)


def _sheet_images(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> list[int]:
    """Indices of images for the sheet: the most confident mistakes, then the most confident hits of each class."""
    wrong = probabilities.argmax(axis=1) != labels
    order = np.argsort(-probabilities.max(axis=1), kind="stable")
    mistakes = [int(i) for i in order if wrong[i]][: SHEET_IMAGES // 2]
    hits: list[int] = []
    for label in range(probabilities.shape[1]):
        hits += [int(i) for i in order if not wrong[i] and labels[i] == label][:HITS_A_CLASS]
    return (mistakes + hits)[:SHEET_IMAGES] or [0]
