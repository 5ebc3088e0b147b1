"""The preprocessed images of samples on disk: made once by all cores, for all runs, and read one by one."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Self, overload

import numpy as np
from numpy.typing import NDArray

from shared.data.code_hash import code_hash
from shared.errors import DataError
from shared.io.archives import faults_error
from shared.io.array_store import ArrayStore, ArrayView, alone_in, cache_folder
from shared.processes.memory import cores
from shared.samples import Sample
from shared.task import Image, Preprocessing

BLOCK_BYTES = 1 << 26
"""Images that are in memory at once while they are made."""
LEVELS = np.float32(255)


@dataclass(frozen=True)
class PixelStore:
    """The store of the images of one dataset under one preprocessing.

    Attributes:
        module: Name of the module that makes the images; `code_hash` of it is part of the key.
        spec: The preprocessing.
        content_hash: Hash over the bytes of the data.
        as_bytes: Whether values are stored as bytes, where 255 stands for 1; else as float32, exactly as they are.
    """

    module: str
    spec: Preprocessing
    content_hash: str
    as_bytes: bool

    def images(
        self, samples: Sequence[Sample], make: Callable[[Sample], Image], progress: Callable[[int, int], None]
    ) -> StoredImages:
        """Opens the images of samples; those that are missing are made first, and not by two processes at once.

        Args:
            samples: The samples, in the order of the result.
            make: Reads and preprocesses one sample, on several threads; raises `DataError` where it is damaged.
            progress: Called with (done, total).

        Raises:
            DataError: Files are damaged; the message counts them and describes the first five. Nothing is stored.
        """
        names = [f"{sample.id}:{sample.frame}" for sample in samples]
        folder = cache_folder("images") / self._key()
        store = ArrayStore(folder)
        if store.missing(names):
            with alone_in(folder):
                store = ArrayStore(folder)
                self._add(store, names, samples, make, progress)
        progress(len(samples), len(samples))
        rows = store.rows(names)
        return StoredBytes(rows) if self.as_bytes else StoredImages(rows)

    def _key(self) -> str:
        spec = self.spec
        facts = [code_hash(self.module), spec.size, spec.channels, dict(spec.options), self.content_hash, self.as_bytes]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def _add(
        self,
        store: ArrayStore,
        names: Sequence[str],
        samples: Sequence[Sample],
        make: Callable[[Sample], Image],
        progress: Callable[[int, int], None],
    ) -> None:
        """Makes what is missing, block by block, and adds all of it or nothing."""
        missing = list(dict.fromkeys(store.missing(names)))
        if not missing:
            return
        faults = list[str]()
        blank = np.zeros((self.spec.channels, self.spec.size, self.spec.size), dtype=np.float32)

        def made(sample: Sample) -> Image:
            try:
                return make(sample)
            except DataError as error:
                faults.append(f"{sample.id}: {error}")
                return blank

        done = itertools.count(len(samples) - len(missing) + 1)
        with store.adding([names[i] for i in missing]) as add, ThreadPoolExecutor(cores()) as threads:
            for block in _blocks(missing, blank.nbytes):
                rows = np.empty((len(block), *blank.shape), dtype=np.uint8 if self.as_bytes else np.float32)
                for place, image in enumerate(threads.map(made, [samples[i] for i in block])):
                    rows[place] = np.rint(image * LEVELS) if self.as_bytes else image
                    progress(next(done), len(samples))
                add(rows)
            if faults:
                raise faults_error("images cannot be read", sorted(faults))


def _blocks(indices: Sequence[int], bytes_each: int) -> Iterator[Sequence[int]]:
    step = max(1, BLOCK_BYTES // bytes_each)
    return (indices[start : start + step] for start in range(0, len(indices), step))


class StoredImages(Sequence[Image]):
    """Images float32 [channels, size, size], 0 to 1, read from disk one by one as they were made.

    Args:
        rows: View of the stored images, float32.
    """

    def __init__(self, rows: ArrayView) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Image: ...

    @overload
    def __getitem__(self, index: slice) -> Self: ...

    def __getitem__(self, index: int | slice) -> Image | Self:
        if isinstance(index, slice):
            return type(self)(self._rows.subset(np.arange(len(self))[index]))
        return self._image(index)

    def _image(self, index: int) -> Image:
        return self._rows.at(index)


class StoredBytes(StoredImages):
    """Images that are stored as uint8 [channels, size, size], read from disk one by one as float32, 0 to 1.

    Args:
        rows: View of the stored images, uint8.
    """

    def _image(self, index: int) -> Image:
        pixels: Image = self._rows.at(index).astype(np.float32) / LEVELS
        return pixels

    def as_bytes(self, indices: Sequence[int]) -> NDArray[Any]:
        """Reads several images as bytes, uint8 [N, channels, size, size], 255 for 1.

        Args:
            indices: Indices of the images, in the order of the result.
        """
        return self._rows.take(np.asarray(indices, dtype=np.int64))
