"""Validation and test leave out what `predict` leaves out, so that thresholds and rates are those of what it judges."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shared.data.partition import LeftOut, SplitData
from shared.data.remembered import names_of, remembered_flags
from shared.errors import DataError
from shared.progress import Progress
from shared.samples import SPLITS, Sample
from shared.task import Task

JUDGED = SPLITS[1:]
"""The splits that are judged; training learns from every image as it is labelled."""


def leave_out_unjudged(task: Task, data: SplitData, progress: Progress) -> SplitData:
    """Leaves out of validation and test the images that `predict` leaves out of their series, or refuses alone.

    A positive one stays, for a test that drops it would flatter: it counts as missed
    (`shared.evaluation.unjudged.silenced`). Any other is dropped, for `predict` does not call it negative either.

    Args:
        task: The application, which says which images these are.
        data: The samples and their splits.
        progress: Called with (what, done, total, note).

    Returns:
        The data with the splits that are left, `left_out`, and a note for each split with such an image.

    Raises:
        DataError: Nothing that `predict` judges is left of a split.
    """
    splits, found, notes = dict(data.splits), {}, list(data.notes)
    for name in JUDGED:
        rows = data.splits[name]
        samples = [data.dataset.samples[i] for i in rows]
        flags = _flags(task, data.dataset.content_hash, samples, progress, name)
        if not flags.any():
            continue
        if flags.all():
            raise DataError(f"none of {len(rows)} {name} images would be judged by predict; give others")
        positive = flags & are_positive(task, samples)
        splits[name] = rows[~flags | positive]
        found[name] = LeftOut(int(flags.sum()), frozenset(rows[positive].tolist()))
        notes.append(left_out_note(task, name, len(rows), int(flags.sum()), int(positive.sum())))
    return replace(data, splits=splits, left_out=found, notes=tuple(notes))


def _flags(
    task: Task, content_hash: str, samples: Sequence[Sample], progress: Progress, name: str
) -> NDArray[np.bool_]:
    """`find_unjudged`, which looks once at each series for all runs on the same data, however they divide them."""
    series: dict[str, list[str]] = {}
    for sample in samples:
        series.setdefault(sample.series_key, []).append(names_of(sample))
    shown = {key: hashlib.sha256(json.dumps(names).encode()).hexdigest() for key, names in series.items()}
    keys = [f"{shown[sample.series_key]} {names_of(sample)}" for sample in samples]
    return remembered_flags(
        "unjudged",
        task,
        content_hash,
        keys,
        lambda rows: find_unjudged(task, [samples[i] for i in rows], progress, name),
    )


def find_unjudged(task: Task, samples: Sequence[Sample], progress: Progress, name: str) -> NDArray[np.bool_]:
    """Asks the application which of N samples `predict` leaves out, bool [N].

    Args:
        task: The application.
        samples: The samples.
        progress: Called with (what, done, total, note).
        name: What the samples are, shown with the progress.

    Raises:
        DataError: A file is damaged.
    """
    return task.unjudged(samples, lambda done, total: progress(f"looking at what is judged, {name}", done, total, ""))


def are_positive(task: Task, samples: Sequence[Sample]) -> NDArray[np.bool_]:
    """Tells which of N samples are known to be positive, bool [N]; none where the application has no positive event."""
    known = task.positive_name is not None
    return np.array(
        [known and one.label is not None and task.is_positive(one.label) for one in samples], dtype=np.bool_
    )


def left_out_note(task: Task, name: str, images: int, count: int, positive: int) -> str:
    """Writes one sentence on the images of a split that were left out.

    Args:
        task: The application.
        name: What the images are of: "validation".
        images: Number of images, with those that were left out.
        count: Number of those that were left out.
        positive: How many of these are positive.
    """
    text = f"{count} of {images} images of {name} were left out, as predict leaves them out"
    if task.positive_name is None:
        return f"{text}."
    return f"{text}; {positive} of them, with {task.positive_name}, count as missed."
