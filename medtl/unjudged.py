"""Which samples `predict` leaves out of their series, for validation and tests: they judge what `predict` judges."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from medtl.judgeable import judgeable
from medtl.sample_pixels import read_stored
from shared.samples import Sample


def unjudged(samples: Sequence[Sample], progress: Callable[[int, int], None] = lambda *_: None) -> NDArray[np.bool_]:
    """Tells which samples show noise or too little head to be judged: of their series, or alone.

    Args:
        samples: N samples, each with all others of its series among them.
        progress: Called with (slices done, slices in all).

    Returns:
        bool [N].

    Raises:
        DataError: A file is damaged; the message names it.
    """
    series = defaultdict(list)
    for number, sample in enumerate(samples):
        series[sample.series_key].append(number)
    left_out, done = np.ones(len(samples), dtype=np.bool_), 0
    for numbers in series.values():
        found = judgeable(read_stored(samples[number]) for number in numbers)
        left_out[[numbers[index] for index in found.kept]] = False
        done += len(numbers)
        progress(done, len(samples))
    return left_out
