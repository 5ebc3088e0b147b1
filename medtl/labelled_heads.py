"""Images that are labelled as tumours and show little head: they are counted, for their labels may be wrong."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from medtl.head import reduced_copy
from medtl.labels import is_known, is_positive
from medtl.little_head import HeadSize, compare_sizes, measure_head
from shared.data.code_hash import code_hash
from shared.io.array_store import ArrayStore, alone_in, cache_folder
from shared.io.grey import to_grey
from shared.samples import Sample


class LabelledHeads:
    """Measures heads while images are read, where a series has an image that is labelled as a tumour.

    What was measured is kept on disk beside the images, which are read once for all runs. Threads may share it.

    Args:
        samples: All images that are looked at.
        content_hash: Hash of the bytes of the dataset.
    """

    def __init__(self, samples: Sequence[Sample], content_hash: str) -> None:
        with_tumour = {_series(sample) for sample in samples if _is_tumour(sample)}
        self._samples = [sample for sample in samples if _series(sample) in with_tumour]
        self._asked = {_name(sample) for sample in self._samples}
        self._found: dict[str, HeadSize] = {}
        facts = [code_hash(__name__), content_hash]
        self._folder = cache_folder("heads") / hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def add(self, sample: Sample, pixels: NDArray[np.float32]) -> None:
        """Measures the head on one image.

        Args:
            sample: One of the samples.
            pixels: Its raw pixels, float32 [rows, columns] or [rows, columns, 3], finite.
        """
        if _name(sample) in self._asked:
            self._found[_name(sample)] = measure_head(reduced_copy(to_grey(pixels)))

    def note(self, read: Callable[[Sample], NDArray[np.float32]]) -> str:
        """Counts the images that are labelled as tumours and show too little head to be judged; empty of none.

        Args:
            read: Reads the raw pixels of a sample that was measured neither now nor before.
        """
        together = defaultdict(list)
        for sample, size in zip(self._samples, self._sizes(read), strict=True):
            together[_series(sample)].append((sample, size))
        little = [
            sample
            for series in together.values()
            for (sample, _), is_little in zip(series, compare_sizes([size for _, size in series]).little(), strict=True)
            if is_little
        ]
        if not (count := sum(map(_is_tumour, little))):
            return ""
        return (
            f"{count} of {sum(map(_is_tumour, self._samples))} images that are labelled as tumours show little head: "
            "predict would not judge them. Training learns from them as labelled, validation and test count them as "
            "missed: look at them"
        )

    def _sizes(self, read: Callable[[Sample], NDArray[np.float32]]) -> list[HeadSize]:
        """The head of each image of a series with a tumour; those that are not on disk are added there."""
        names = [_name(sample) for sample in self._samples]
        if not names:
            return []
        with alone_in(self._folder):
            store = ArrayStore(self._folder)
            if missing := store.missing(names):
                for sample in (self._samples[i] for i in missing if names[i] not in self._found):
                    self.add(sample, read(sample))
                rows = [[size.area, size.level, size.signal] for size in (self._found[names[i]] for i in missing)]
                with store.adding([names[i] for i in missing]) as add:
                    add(np.array(rows, dtype=np.float64))
        return [HeadSize(*row) for row in store.rows(names).block(0, len(names)).tolist()]


def _name(sample: Sample) -> str:
    return f"{sample.id}:{sample.frame}"


def _series(sample: Sample) -> str:
    return sample.series or sample.id


def _is_tumour(sample: Sample) -> bool:
    return sample.label is not None and is_known(sample.label) and is_positive(sample.label)
