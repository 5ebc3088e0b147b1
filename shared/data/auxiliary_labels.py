"""Auxiliary tasks beside the classes: their labels as numbers, missing ones masked, and how often each is right."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from shared.errors import ConfigError
from shared.samples import Sample

MISSING = -1
Auxiliary = Callable[[Sample], Mapping[str, str]]


def auxiliary_classes(samples: Sequence[Sample], auxiliary: Auxiliary, name: str) -> tuple[str, ...]:
    """The answers to an auxiliary task that occur in training, in the order in which they first do.

    Raises:
        ConfigError: None of the samples has one, or all have the same.
    """
    said = [answers[name] for sample in samples if name in (answers := auxiliary(sample))]
    if len(set(said)) > 1:
        # not sorted: answers may be pseudonyms, whose order differs with the salt
        return tuple(dict.fromkeys(said))
    known = sorted({key for sample in samples for key in auxiliary(sample)})
    found = f"all {len(said)} that are labelled are {said[0]!r}" if said else "no training image has that label"
    raise ConfigError(f"strategy.tasks: {name}: {found}; the data has {', '.join(known) or 'no auxiliary labels'}")


def auxiliary_labels(
    samples: Sequence[Sample], auxiliary: Auxiliary, name: str, classes: Sequence[str]
) -> NDArray[np.int64]:
    """The answer to an auxiliary task of each sample, int64 [N]; -1 where it is not known or not among `classes`."""
    number = {answer: index for index, answer in enumerate(classes)}
    return np.array([number.get(auxiliary(sample).get(name, ""), MISSING) for sample in samples], dtype=np.int64)
