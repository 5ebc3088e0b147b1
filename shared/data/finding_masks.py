"""Masks of findings for training: where in its image the positive event is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import overload

import numpy as np
from numpy.typing import NDArray

from shared.data.split import Split
from shared.errors import ConfigError
from shared.progress import Progress
from shared.task import Preprocessing, Task, positive_classes

Mask = NDArray[np.bool_]


class PackedMasks(Sequence[Mask | None]):
    """Masks bool [size, size] in memory, eight pixels a byte: 0.6 GiB for 100,000 of 224 pixels a side.

    Args:
        size: Side of the masks in pixels.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._packed: list[NDArray[np.uint8] | None] = []

    def add(self, mask: Mask | None) -> None:
        """Adds a mask, bool [size, size], or None where it is not known."""
        self._packed.append(None if mask is None else np.packbits(mask))

    def __len__(self) -> int:
        return len(self._packed)

    @overload
    def __getitem__(self, index: int) -> Mask | None: ...

    @overload
    def __getitem__(self, index: slice) -> list[Mask | None]: ...

    def __getitem__(self, index: int | slice) -> Mask | list[Mask | None] | None:
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        packed = self._packed[index]
        if packed is None:
            return None
        return np.unpackbits(packed, count=self.size**2).astype(np.bool_).reshape(self.size, self.size)


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
    masks = PackedMasks(spec.size)
    for number, (sample, label) in enumerate(zip(split.samples, split.labels.tolist(), strict=True), start=1):
        # without a label nothing says that the finding is not there
        masks.add(task.read_mask(sample, spec) if label < 0 or positive[label] else empty)
        progress("reading masks", number, len(split.samples), "")
    return replace(split, masks=masks)
