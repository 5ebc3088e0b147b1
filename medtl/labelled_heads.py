"""Images that are labelled as tumours and show little head: they are counted, for their labels may be wrong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medtl.head import reduced_copy
from medtl.labels import is_known, is_positive
from medtl.little_head import HeadSize, compare_sizes, measure_head
from shared.io.grey import to_grey
from shared.samples import Sample


class LabelledHeads:
    """Measures heads while images are read, where a series has an image that is labelled as a tumour.

    Threads may share it.

    Args:
        samples: All images that will be read.
    """

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._series = {_series(sample) for sample in samples if _is_tumour(sample)}
        self._found: dict[str, tuple[Sample, HeadSize]] = {}

    def add(self, sample: Sample, pixels: NDArray[np.float32]) -> None:
        """Measures the head on one image.

        Args:
            sample: One of the samples.
            pixels: Its raw pixels, float32 [rows, columns] or [rows, columns, 3], finite.
        """
        if _series(sample) in self._series:
            self._found[sample.id] = sample, measure_head(reduced_copy(to_grey(pixels)))

    def note(self) -> str:
        """Counts the images that are labelled as tumours and show too little head to be judged; empty of none."""
        together = defaultdict(list)
        for sample, size in self._found.values():
            together[_series(sample)].append((sample, size))
        little = [
            sample
            for series in together.values()
            for (sample, _), is_little in zip(series, compare_sizes([size for _, size in series]).little(), strict=True)
            if is_little
        ]
        if not (count := sum(map(_is_tumour, little))):
            return ""
        total = sum(_is_tumour(sample) for sample, _ in self._found.values())
        return (
            f"{count} of {total} images that are labelled as tumours show little head: predict would not judge them. "
            "Training learns from them as labelled, validation and test count them as missed: look at them"
        )


def _series(sample: Sample) -> str:
    return sample.series or sample.id


def _is_tumour(sample: Sample) -> bool:
    return sample.label is not None and is_known(sample.label) and is_positive(sample.label)
