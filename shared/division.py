"""From a dataset to its parts: audited, cleaned of what leaks, split so that no group stands on two sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared.audit import AuditResult, audit
from shared.config import DataSection
from shared.errors import DataError, LeakError
from shared.progress import Progress
from shared.samples import Dataset
from shared.splits import few_groups, k_shot, split
from shared.task import Task


@dataclass(frozen=True)
class Divided:
    """A dataset with its splits and what the audit did to it."""

    dataset: Dataset
    parts: Mapping[str, NDArray[np.int64]]
    notes: tuple[str, ...]


def divide(task: Task, wanted: DataSection, dataset: Dataset, *, seed: int, progress: Progress) -> Divided:
    """Looks for duplicates, leaves out what must not stand in a part, and splits the rest.

    Args:
        task: Reads the images.
        wanted: The `data` section of the configuration.
        dataset: Labelled samples.
        seed: Of the split and of the draws of few labels.
        progress: Called with (what, done, total, note).

    Raises:
        DataError: An image cannot be read, or a class has too few groups.
        LeakError: Test images are copies of others, and the configuration does not say what to do.
    """
    result = audit(
        dataset.samples,
        task.read,
        mirrored=task.mirrored_is_copy,
        progress=lambda done, total: progress("looking for duplicates", done, total, ""),
    )
    if result.unreadable:
        first = dataset.samples[result.unreadable[0]].source
        count = f"{len(result.unreadable)} of {len(dataset.samples)}"
        raise DataError(f"{count} images cannot be read, the first in {first!r}; mend or remove them")
    keep = np.ones(len(dataset.samples), dtype=bool)
    notes = list(dataset.notes)
    if result.blank:
        keep[list(result.blank)] = False
        notes.append(f"{len(result.blank)} blank images (all pixels alike) were left out.")
    left_out, said = _without_leaks(result, dataset, wanted.leaks)
    keep[left_out] = False
    notes += said
    dataset = replace(dataset, samples=tuple(np.array(dataset.samples, dtype=object)[keep]))
    joined = None if wanted.leaks == "allow" else result.clusters[keep]
    fractions = (1.0 - wanted.validation - wanted.test, wanted.validation, wanted.test)
    parts = dict(split(dataset.samples, seed=seed, fractions=fractions, clusters=joined))
    if wanted.train_groups is not None:
        parts["train"] = few_groups(dataset.samples, parts["train"], wanted.train_groups, seed)
    if wanted.labels_per_class is not None:
        labels = [str(sample.label) for sample in dataset.samples]
        parts["train"] = k_shot(parts["train"], labels, wanted.labels_per_class, seed)
    return Divided(dataset, parts, tuple(notes))


def _without_leaks(result: AuditResult, dataset: Dataset, rule: str) -> tuple[list[int], list[str]]:
    """Which samples the rule leaves out so that no test image is a copy of another, and what must be said of it."""
    fixed = np.array([sample.split or "" for sample in dataset.samples])
    learning, testing = np.flatnonzero(fixed != "test"), np.flatnonzero(fixed == "test")
    leaked = result.leaked(learning, testing)
    if not leaked:
        return [], []
    said = f"{len(leaked)} of {len(testing)} test images are duplicates of training images"
    if rule == "refuse":
        raise LeakError(
            f"{said}; add --drop-leaks (data.leaks=drop) to leave them out of the test, data.leaks=keep_test to leave "
            "their copies out of training, or --allow-leaks, which every report will say"
        )
    if rule == "drop":
        return leaked, [f"{said} and were left out of the test."]
    if rule == "keep_test":
        copies = result.leaked(testing, learning)
        return copies, [f"{said}; their {len(copies)} copies were left out of training, and the test is whole."]
    return [], [f"LEAK ALLOWED: {said}; the test numbers flatter."]
