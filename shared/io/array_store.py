"""Stores rows of numbers by name on disk, computed once, and reads them back without filling the memory."""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import RunError
from shared.io.atomic import writing

log = logging.getLogger(__name__)

Array = NDArray[Any]


def cache_folder(kind: str) -> Path:
    """Returns the folder of cached rows of a kind: `medtl/<kind>` under `XDG_CACHE_HOME` (default `~/.cache`)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "medtl" / kind


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keeps other processes out of a folder of the cache for a `with` block: what is missing is computed once.

    Unfinished files of processes that were killed are deleted, for images of a whole dataset are large.

    Args:
        folder: The folder; it is made where it is missing, and its images are for this user alone.
    """
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in folder.glob(".*.partial"):
            left.unlink(missing_ok=True)
        yield


class ArrayView:
    """Reads rows of several `.npy` files in any order, as if they were one array; only requested rows are read.

    Blocks are read, not mapped: pages of a map count as memory of the process for as long as they stay.

    Args:
        files: `.npy` files with the same dtype and the same shape beyond the first axis.
        file: [N] index in `files` of the file of each row.
        row: [N] index of each row in its file.
    """

    def __init__(self, files: Sequence[Path], file: NDArray[np.int64], row: NDArray[np.int64]) -> None:
        self.files, self.file, self.row = tuple(files), file, row
        maps = [np.load(path, mmap_mode="r", allow_pickle=False) for path in files]
        self._offsets = tuple(one.offset for one in maps)
        self.dtype = maps[0].dtype
        self.shape: tuple[int, ...] = (len(file), *maps[0].shape[1:])
        self._bytes_a_row = int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize

    def __len__(self) -> int:
        return len(self.file)

    def at(self, index: int) -> Array:
        """Reads one row into a new array, without the first axis.

        Args:
            index: Index of the row in this view, from 0; or counted from the end where it is negative.
        """
        result = np.empty(self.shape[1:], self.dtype)
        start = int(self.row[index]) * self._bytes_a_row
        self._read(int(self.file[index]), start, result.reshape(-1).view(np.uint8))
        return result

    def block(self, start: int, stop: int) -> Array:
        """Reads consecutive rows into a new array [stop - start, ...].

        Args:
            start: Index of the first row.
            stop: Index behind the last row.
        """
        return self.take(np.arange(start, min(stop, len(self))))

    def take(self, indices: NDArray[np.int64]) -> Array:
        """Reads some rows into a new array [len(indices), ...].

        Args:
            indices: Indices of the rows, in the order of the result.
        """
        result = np.empty((len(indices), *self.shape[1:]), self.dtype)
        raw = result.reshape(-1).view(np.uint8)
        file, row, width = self.file[indices], self.row[indices], self._bytes_a_row
        # neighbours in a file are read at once
        cuts = np.flatnonzero((np.diff(file) != 0) | (np.diff(row) != 1)) + 1
        for begin, end in itertools.pairwise([0, *cuts.tolist(), len(indices)]):
            if begin < end:
                self._read(int(file[begin]), int(row[begin]) * width, raw[begin * width : end * width])
        return result

    def subset(self, indices: NDArray[np.int64]) -> ArrayView:
        """Returns a view of the rows at `indices`, in that order; nothing is read."""
        return ArrayView(self.files, self.file[indices], self.row[indices])

    def _read(self, number: int, start: int, raw: NDArray[np.uint8]) -> None:
        with self.files[number].open("rb", buffering=0) as stream:
            stream.seek(self._offsets[number] + start)
            done = 0
            while done < len(raw):  # the system reads at most 2 GiB at once
                got = stream.readinto(raw[done:].data)
                if not got:
                    raise RunError(
                        f"{self.files[number].name} in the cache became shorter while it was read; start again"
                    )
                done += got


class ArrayStore:
    """A folder of rows by name, all computed in the same way, in one `.npy` file for each call of `adding`.

    Every split of the same data finds the rows that another split left here.

    Args:
        folder: The folder; it need not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: list[Path] = []
        self._where: dict[str, tuple[int, int]] = {}
        for path, names in _pieces(folder):
            self._take_up(path, names)

    def missing(self, names: Sequence[str]) -> list[int]:
        """Returns the indices in `names` of those whose rows are not stored, in ascending order; empty where all
        are."""
        return [i for i, name in enumerate(names) if name not in self._where]

    @contextmanager
    def adding(self, names: Sequence[str]) -> Iterator[Callable[[Array], None]]:
        """Gives a `with` block a function that stores new rows; all of them are kept, or none where the block fails.

        Args:
            names: Names of the rows that the block stores, in their order.

        Yields:
            A function to be called with one block of rows after the other, [rows of the block, ...], of one dtype.
        """
        path = self.folder / f"{hashlib.sha256(json.dumps(names).encode()).hexdigest()[:32]}.npy"
        with writing(path) as partial:
            with partial.open("wb") as stream:

                def add(rows: Array) -> None:
                    if stream.tell() == 0:
                        shape = (len(names), *rows.shape[1:])
                        descr = np.lib.format.dtype_to_descr(rows.dtype)
                        np.lib.format.write_array_header_1_0(
                            stream, {"descr": descr, "fortran_order": False, "shape": shape}
                        )
                    stream.write(np.ascontiguousarray(rows).data)

                yield add
            path.with_suffix(".json").write_text(json.dumps(list(names)))
        self._take_up(path, names)

    def rows(self, names: Sequence[str]) -> ArrayView:
        """Returns a view of stored rows, in the order asked for; nothing is read.

        Args:
            names: Names of the rows.

        Raises:
            KeyError: A row is not stored.
        """
        where = np.array([self._where[name] for name in names], dtype=np.int64)
        return ArrayView(self._files, where[:, 0], where[:, 1])

    def _take_up(self, path: Path, names: Sequence[str]) -> None:
        self._where.update({name: (len(self._files), row) for row, name in enumerate(names)})
        self._files.append(path)


def _pieces(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yields each file and the names of its rows; a damaged one is deleted, because it can be computed again."""
    for path in sorted(folder.glob("*.npy")):
        try:
            names = json.loads(path.with_suffix(".json").read_text())
            rows = len(np.load(path, mmap_mode="r", allow_pickle=False))
        except (OSError, ValueError, EOFError):
            names, rows = None, 0
        if isinstance(names, list) and len(names) == rows:
            yield path, names
        else:
            log.warning("a damaged file of the cache is deleted and computed again")
            path.unlink(missing_ok=True)
