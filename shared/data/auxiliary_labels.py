"""Labels of auxiliary tasks as numbers, with missing ones masked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from shared.errors import ConfigError
from shared.samples import Sample

MISSING = -1
Auxiliary = Callable[[Sample], Mapping[str, str]]


def auxiliary_classes(samples: Sequence[Sample], auxiliary: Auxiliary, name: str) -> tuple[str, ...]:
    """Lists the labels of an auxiliary task that occur in training.

    Args:
        samples: The training samples.
        auxiliary: Returns the auxiliary labels of a sample by task (`Task.auxiliary`).
        name: Name of the auxiliary task.

    Returns:
        At least two labels without repetition, in the order in which they first occur.

    Raises:
        ConfigError: No sample has a label, or all have the same.
    """
    found = [labels[name] for sample in samples if name in (labels := auxiliary(sample))]
    if len(set(found)) > 1:
        # not sorted: labels may be pseudonyms, whose order differs with the salt
        return tuple(dict.fromkeys(found))
    known = sorted({key for sample in samples for key in auxiliary(sample)})
    fault = f"all {len(found)} that are labelled are {found[0]!r}" if found else "no training image has that label"
    raise ConfigError(f"strategy.tasks: {name}: {fault}; the data has {', '.join(known) or 'no auxiliary labels'}")


def auxiliary_labels(
    samples: Sequence[Sample], auxiliary: Auxiliary, name: str, classes: Sequence[str]
) -> NDArray[np.int64]:
    """Numbers each sample's label of an auxiliary task, int64 [N]; -1 where it is unknown or not among `classes`.

    Args:
        samples: N samples.
        auxiliary: Returns the auxiliary labels of a sample by task (`Task.auxiliary`).
        name: Name of the auxiliary task.
        classes: Its labels in the order of the head's outputs.
    """
    number = {label: index for index, label in enumerate(classes)}
    return np.array([number.get(auxiliary(sample).get(name, ""), MISSING) for sample in samples], dtype=np.int64)
