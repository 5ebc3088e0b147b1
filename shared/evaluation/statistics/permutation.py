"""An exact paired test: whether signs of differences could as well have been tossed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def sign_flip_p(gaps: NDArray[np.int64]) -> float:
    """Two-sided p-value of the sum of independent differences, under which each is as likely as its negative.

    Exact: the distribution of the sum over all flips of signs is computed, not drawn. Where each difference is -1, 0
    or 1 (a unit is one image), this is McNemar's exact test.

    Args:
        gaps: [U] one whole number for each independent unit (images right in one model less those in the other).

    Source: Fisher, The Design of Experiments, 1935, section 21; McNemar, Psychometrika 12:153, 1947.
    """
    sizes = np.abs(gaps[gaps != 0])
    total, observed = int(sizes.sum()), abs(int(gaps.sum()))
    if not observed:
        return 1.0
    law = np.zeros(2 * total + 1)
    law[total] = 1.0
    for size in sizes.tolist():
        # nothing is carried around the ends: so far the sum lies within the sizes that were added
        law = (np.roll(law, size) + np.roll(law, -size)) / 2
    sums = np.arange(-total, total + 1)
    return float(min(1.0, law[np.abs(sums) >= observed].sum()))
