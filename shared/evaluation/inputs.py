"""Inputs, which `predict` judges one by one: series, or images on their own; their classes and their units."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from shared.evaluation.statistics.groups import group_codes


def input_classes(
    inputs: Sequence[Hashable], labels: NDArray[np.int64], positive: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Finds the class of each input from those of its images.

    It is the most frequent positive class where one of the images is positive (most slices of a series with a finding
    show none), else the most frequent class; the first in the order of the classes where several are.

    Args:
        inputs: [N] the input that each image belongs to.
        labels: int64 [N], true class of each image, an index into `positive`.
        positive: bool [classes], whether each class is positive.

    Returns:
        int64 [inputs], in the order in which inputs first occur.
    """
    owners = group_codes(inputs)
    counts = np.zeros((int(owners.max(initial=-1)) + 1, len(positive)), dtype=np.int64)
    np.add.at(counts, (owners, labels), 1)
    counts[:, positive] *= len(owners) + 1  # one positive image outweighs all others
    return np.asarray(counts.argmax(axis=1), dtype=np.int64)


def first_of_each(inputs: Sequence[Hashable]) -> NDArray[np.int64]:
    """Finds the first image of each input: int64 [inputs], indices into `inputs`, in the order of occurrence."""
    return np.asarray(np.unique(group_codes(inputs), return_index=True)[1], dtype=np.int64)
