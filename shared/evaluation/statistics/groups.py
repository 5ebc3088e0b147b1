"""Numbers for groups, in NumPy alone: prediction imports this, and SciPy takes half a second to load."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray


def group_codes(groups: Sequence[Hashable]) -> NDArray[np.int64]:
    """Numbers groups from 0, in the order in which they first occur: names must not change an interval.

    Args:
        groups: [N] group of each sample, for example its name.

    Returns:
        int64 [N], number of the group of each sample.
    """
    first: dict[Hashable, int] = {}
    return np.array([first.setdefault(group, len(first)) for group in groups], dtype=np.int64)
