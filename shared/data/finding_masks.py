"""Masks of findings for training: where in its image the positive event is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shared.data.split import Split
from shared.errors import ConfigError
from shared.progress import Progress
from shared.task import Preprocessing, Task, positive_classes


def with_masks(split: Split, task: Task, classes: tuple[str, ...], spec: Preprocessing, progress: Progress) -> Split:
    """Reads the masks of a split: an image of a negative class has an empty one.

    Args:
        split: The N images with their labels.
        task: The application, which reads the masks.
        classes: Names of the classes, in the order of the labels.
        spec: Preprocessing of the images.
        progress: Called with (what, done, total, note).

    Returns:
        The split with `masks`; that of an image of a positive class that has none is not known.

    Raises:
        ConfigError: The task has no positive event, or no image has a mask.
        DataError: A mask is damaged, or differs from its image in shape.
    """
    positive = positive_classes(task, classes)
    if not any(one.mask for one in split.samples) or not any(positive):
        raise ConfigError(
            "strategy.tasks: mask: no training image has a mask; give masks, name another task, or set strategy to "
            "that of finetune without tasks and weighting"
        )
    empty = np.zeros((spec.size, spec.size), dtype=np.bool_)
    masks: list[NDArray[np.bool_] | None] = []
    for number, (sample, label) in enumerate(zip(split.samples, split.labels.tolist(), strict=True), start=1):
        # without a label nothing says that the finding is not there
        masks.append(task.read_mask(sample, spec) if label < 0 or positive[label] else empty)
        progress("reading masks", number, len(split.samples), "")
    return replace(split, masks=masks)
