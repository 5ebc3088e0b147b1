"""One split of a dataset: samples, their images and labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from shared.samples import Grouping, Sample
from shared.task import Image

Item = TypeVar("Item")


@dataclass(frozen=True)
class Split:
    """The samples of one split, with their images.

    Attributes:
        samples: The N samples, in a fixed order.
        images: Preprocessed images, float32 [channels, size, size] each, in the order of `samples`.
        labels: int64 [N], indices into the run's classes; -1 where the label must not be used.
        grouping: Series, group and independent unit of each sample.
        masks: [N] masks of the findings, bool [size, size] each, in the order of `samples`; None where the mask of an
            image is not known. Empty where masks were not read.
    """

    samples: Sequence[Sample]
    images: Sequence[Image]
    labels: NDArray[np.int64]
    grouping: Grouping
    masks: Sequence[NDArray[np.bool_] | None] = ()

    def of(self, indices: NDArray[np.int64]) -> Split:
        """Selects samples of the split, with their images, labels, grouping and masks; no image is copied.

        Args:
            indices: int64 [M], indices of the samples, in the order of the result.
        """
        chosen = indices.tolist()
        grouping = self.grouping.at(chosen)
        samples, masks = [self.samples[i] for i in chosen], Chosen(self.masks, chosen) if self.masks else ()
        return Split(samples, Chosen(self.images, chosen), self.labels[indices], grouping, masks)

    def judged_rows(self) -> NDArray[np.int64]:
        """Returns the indices, int64 [M], of the samples that `predict` judges."""
        return self.grouping.judged(np.arange(len(self.samples)))

    def judged(self) -> Split:
        """Returns the split without the samples that `predict` leaves out; itself where there are none."""
        return self.of(self.judged_rows()) if any(self.grouping.unjudged) else self


def unlabelled(split: Split) -> Split:
    """Returns a copy of a split whose labels are all -1, and whose samples have no label, mask or auxiliary labels."""
    samples = [replace(sample, label=None, mask=None, auxiliary={}) for sample in split.samples]
    return replace(split, samples=samples, labels=np.full(len(samples), -1, dtype=np.int64), masks=())


class Chosen(Sequence[Item], Generic[Item]):
    """A view of some images or masks of a sequence; none is copied.

    Args:
        images: The sequence to choose from.
        indices: Indices into `images`, in the order of the view.
    """

    def __init__(self, images: Sequence[Item], indices: Sequence[int]) -> None:
        self.images, self.indices = images, indices

    def __len__(self) -> int:
        return len(self.indices)

    @overload
    def __getitem__(self, index: int) -> Item: ...

    @overload
    def __getitem__(self, index: slice) -> Chosen[Item]: ...

    def __getitem__(self, index: int | slice) -> Item | Chosen[Item]:
        if isinstance(index, slice):
            return Chosen(self.images, self.indices[index])
        return self.images[self.indices[index]]
