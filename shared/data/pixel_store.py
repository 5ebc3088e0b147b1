"""The preprocessed images of samples on disk: made once by all cores, for all runs, and read one by one."""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import json
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from shared.errors import ConfigError, DataError
from shared.io.archives import faults_error
from shared.io.array_store import ArrayStore, ArrayView, alone_in, cache_folder
from shared.processes.memory import cores
from shared.samples import Sample
from shared.task import Image, Preprocessing

BLOCK_BYTES = 1 << 26
"""Images that are in memory at once while they are made."""
LEVELS = np.float32(255)
ROUNDED = 0.49 / 255
"""How far a value may lie beyond 0 to 1: so little that it is rounded into it."""
SCRATCH, HELD = "scratch-", ".held"
"""Begin of the name of a folder of images for one process, and the file in it that is locked while they are read."""
StoredType = Literal["uint8", "float16"]
"""How a value is stored: as a byte, where 255 stands for 1, off by up to 1/510; or as float16, off by up to 1/4,096."""


@dataclass(frozen=True)
class PixelStore:
    """The store of the images of one dataset under one preprocessing.

    Attributes:
        code: Hash over the code that makes the images, of `shared.data.code_hash`; None: it is not known, and they are
            kept for this process alone.
        spec: The preprocessing.
        content_hash: Hash over the bytes of the data.
        stored_as: Type of the stored values.
    """

    code: str | None
    spec: Preprocessing
    content_hash: str
    stored_as: StoredType

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
            ConfigError: `make` gives an image of another shape, or values beyond 0 to 1. Nothing is stored.
        """
        names = [f"{sample.id}:{sample.frame}" for sample in samples]
        key = self._key()
        scratch = None if key else _Scratch()
        folder = scratch.folder if scratch else cache_folder("images") / str(key)
        store = ArrayStore(folder)
        if store.missing(names):
            with alone_in(folder):
                store = ArrayStore(folder)
                self._add(store, names, samples, make, progress)
        progress(len(samples), len(samples))
        return StoredImages(store.rows(names), key, scratch)

    def _key(self) -> str | None:
        """SHA-256 of what determines the images; None where nothing says by which code they are made."""
        if self.code is None:
            return None
        spec = self.spec
        facts = [self.code, spec.size, spec.channels, dict(spec.options), self.content_hash, self.stored_as]
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
                image = make(sample)
            except DataError as error:
                faults.append(f"{sample.id}: {error}")
                return blank
            _check(image, blank.shape)
            return image

        done = itertools.count(len(samples) - len(missing) + 1)
        with store.adding([names[i] for i in missing]) as add, ThreadPoolExecutor(cores()) as threads:
            for block in _blocks(missing, blank.nbytes):
                rows = np.empty((len(block), *blank.shape), dtype=self.stored_as)
                for place, image in enumerate(threads.map(made, [samples[i] for i in block])):
                    rows[place] = np.rint(image * LEVELS) if self.stored_as == "uint8" else image
                    progress(next(done), len(samples))
                add(rows)
            if faults:
                raise faults_error("images cannot be read", sorted(faults))


def _check(image: Image, shape: tuple[int, ...]) -> None:
    """Checks what a preprocessing made: a byte would not hold another value, and wrap around.

    Raises:
        ConfigError: Shape or values are not what an image has.
    """
    if image.shape != shape:
        raise ConfigError(f"the preprocessing gives an image of shape {image.shape}; it must be {shape}")
    low, high = float(image.min()), float(image.max())
    if not (low >= -ROUNDED and high <= 1.0 + ROUNDED):  # so that NaN is refused too
        raise ConfigError(f"the preprocessing gives values from {low:.3g} to {high:.3g}; scale them to 0 to 1")


def _blocks(indices: Sequence[int], bytes_each: int) -> Iterator[Sequence[int]]:
    step = max(1, BLOCK_BYTES // bytes_each)
    return (indices[start : start + step] for start in range(0, len(indices), step))


class _Scratch:
    """A folder in the cache that is deleted with this object, at the latest when the process ends.

    A process that is killed deletes nothing, so each new folder takes away those that no process holds any more.
    """

    def __init__(self) -> None:
        above = cache_folder("scratch-images")
        with alone_in(above):
            for left in above.glob(f"{SCRATCH}*"):
                _delete_unheld(left)
            self.folder = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=above))
            held = os.open(self.folder / HELD, os.O_CREAT | os.O_RDWR)
            fcntl.flock(held, fcntl.LOCK_EX)  # for as long as this process, or one forked from it, lives
        weakref.finalize(self, _delete, self.folder, held, os.getpid())


def _delete(folder: Path, held: int, process: int) -> None:
    if os.getpid() == process:  # not in a process that was forked from it
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def _delete_unheld(folder: Path) -> None:
    try:
        held = os.open(folder / HELD, os.O_CREAT | os.O_RDWR)
    except FileNotFoundError:  # deleted meanwhile
        return
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        pass
    finally:
        os.close(held)


class StoredImages(Sequence[Image]):
    """Images float32 [channels, size, size], 0 to 1, read from disk one by one.

    Attributes:
        key: Hash of what determines the images: data, preprocessing, code, stored type; None: their code is not known.

    Args:
        rows: View of the stored images, uint8, where 255 stands for 1, or float16.
        key: The attribute of this name.
        keeps: What must not be deleted while the images are read.
    """

    def __init__(self, rows: ArrayView, key: str | None, keeps: object = None) -> None:
        self._rows, self.key, self._keeps = rows, key, keeps

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Image: ...

    @overload
    def __getitem__(self, index: slice) -> StoredImages: ...

    def __getitem__(self, index: int | slice) -> Image | StoredImages:
        if isinstance(index, slice):
            return StoredImages(self._rows.subset(np.arange(len(self))[index]), self.key, self._keeps)
        pixels: Image = self._rows.at(index).astype(np.float32)
        return pixels / LEVELS if self._rows.dtype == np.uint8 else pixels

    def stored(self, indices: Sequence[int]) -> NDArray[Any]:
        """Reads several images as they are stored, [N, channels, size, size]: uint8, 255 for 1, or float16.

        Args:
            indices: Indices of the images, in the order of the result.
        """
        return self._rows.take(np.asarray(indices, dtype=np.int64))
