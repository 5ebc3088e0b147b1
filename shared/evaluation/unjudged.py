"""What counts as the answer to an image that `predict` leaves out of its series: that nothing is found on it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shared.samples import Grouping


def silenced(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], positive: Sequence[bool], grouping: Grouping
) -> NDArray[np.float64]:
    """Gives the images that `predict` leaves out the probabilities of an answer that finds nothing.

    Only positive images stand in a test though they are left out, and none may vanish from it: so each counts as missed
    at every threshold, whatever the network would have said of it. Its series is judged by the other images alone, as
    `shared.evaluation.decision.series.score_series` does it.

    Args:
        probabilities: float64 [N, classes], 0 to 1, of the network.
        labels: int64 [N], true classes, indices into the columns of `probabilities`.
        positive: [classes], whether each class is positive.
        grouping: Says which of the N images are left out.

    Returns:
        float64 [N, classes]. The row of an image that is left out is shared among the negative classes, and among the
        wrong ones where every class is positive.
    """
    if not any(grouping.unjudged):
        return probabilities
    found = probabilities.copy()
    negative = ~np.array(positive, dtype=np.bool_)
    for row in np.flatnonzero(grouping.unjudged):
        among = negative if negative.any() else np.arange(len(negative)) != labels[row]
        found[row] = among / among.sum()
    return found
