"""Files of vectors: `.npz` (X, y; where known groups, domains, splits) and LIBSVM text (`.svmlight`, `.libsvm`)."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.data.layouts import split_name
from shared.errors import DataError
from shared.io.archives import MAX_FILE_BYTES, list_sources, naming, read_source, relative_name

NUMPY_SUFFIX = ".npz"
TEXT_SUFFIXES = (".svmlight", ".libsvm", ".svm")
SUFFIXES = (NUMPY_SUFFIX, *TEXT_SUFFIXES)


@dataclass(frozen=True)
class VectorFile:
    """The rows of one file.

    Attributes:
        rows: The vectors: float32 [N, width], or a SciPy sparse matrix of that shape.
        labels: [N] class of each row as the file spells it, or None where the file has none.
        groups: [N] group of each row, or None.
        domains: [N] domain of each row, or None.
        splits: [N] split of each row, or None.
    """

    rows: Any
    labels: tuple[str, ...] | None
    groups: tuple[str, ...] | None = None
    domains: tuple[str, ...] | None = None
    splits: tuple[str, ...] | None = None

    def row(self, index: int) -> NDArray[np.float32]:
        """Returns one vector as a picture of one line, float32 [1, width]."""
        row = self.rows[index]
        dense = row.toarray() if hasattr(row, "toarray") else row
        return np.asarray(dense, dtype=np.float32).reshape(1, -1)


def vector_sources(root: Path) -> list[str]:
    """Lists the files of vectors that a path holds: itself, or those below a folder or in a zip, sorted by name.

    Args:
        root: A file of vectors, a folder or a zip.

    Raises:
        DataError: There is none.
    """
    if root.suffix.lower() in SUFFIXES:
        return [str(root)]
    found = [source for source in list_sources(root) if PurePosixPath(source).suffix.lower() in SUFFIXES]
    if not found:
        raise DataError(f"{root.name} has no file of vectors; give {', '.join(SUFFIXES)}, or a folder or zip of them")
    return found


def name_of(source: str, root: Path) -> str:
    """Returns the name of a file below the path that was given."""
    return PurePosixPath(source).name if source == str(root) else str(relative_name(source, root))


def domain_and_split(source: str) -> tuple[str, str | None]:
    """Reads from a file's name which domain and split it holds: `books_train.svmlight` is the training of `books`.

    Returns:
        The domain, "" where the whole name is a split; and the split, None where the name ends with none.
    """
    stem = PurePosixPath(source.rpartition("::")[2]).stem
    before, _, last = stem.rpartition("_")
    split = split_name(last)
    return (stem, None) if split is None else (before, split)


def read_vectors(source: str, width: int, *, zero_based: bool) -> VectorFile:
    """Reads a file of vectors; the last files read are kept in memory.

    Args:
        source: A path, or `archive.zip::member`.
        width: Number of values of a vector.
        zero_based: Whether the first value has index 0 in LIBSVM's text, in place of 1.

    Raises:
        DataError: The file is damaged or has vectors of another width; the message names it.
    """
    path = Path(source.partition("::")[0])
    try:
        stamp = (path.stat().st_mtime_ns, path.stat().st_size)
    except OSError:
        stamp = (0, 0)
    return _read(source, stamp, width, zero_based)


@lru_cache(maxsize=16)
def _read(source: str, stamp: tuple[int, int], width: int, zero_based: bool) -> VectorFile:
    with naming(source):
        data = read_source(source)
        if PurePosixPath(source).suffix.lower() == NUMPY_SUFFIX:
            return _from_numpy(data, width)
        return _from_text(data, width, zero_based=zero_based)


def _from_text(data: bytes, width: int, *, zero_based: bool) -> VectorFile:
    from sklearn.datasets import load_svmlight_file

    try:
        rows, labels = load_svmlight_file(io.BytesIO(data), dtype=np.float32, zero_based=True)
    except (ValueError, OverflowError) as error:
        raise DataError(f"is no LIBSVM text ({error})") from None
    first = int(rows.indices.min(initial=1))
    if not zero_based and first == 0:
        raise DataError("has a value with index 0, and indices begin at 1; give the task zero_based=True")
    if rows.shape[1] - (not zero_based) > width:
        raise DataError(f"has a value with index {rows.shape[1] - 1}; the task has {width} values (its width)")
    rows = rows if zero_based else rows[:, 1:]
    rows.resize((rows.shape[0], width))
    return VectorFile(rows, tuple(f"{label:g}" for label in labels.tolist()))


def _from_numpy(data: bytes, width: int) -> VectorFile:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(info.file_size for info in archive.infolist())
        if unpacked > MAX_FILE_BYTES:
            raise DataError(f"unpacks to {unpacked} bytes; at most {MAX_FILE_BYTES} are read")
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in ("X", "y", "groups", "domains", "splits") if name in stored}
    except DataError:
        raise
    # whatever zipfile, zlib and NumPy raise on damaged bytes: a shape that no memory holds, a wrong checksum
    except Exception as error:
        raise DataError(f"is no .npz of plain arrays ({type(error).__name__})") from None
    rows = arrays.pop("X", None)
    if rows is None or rows.dtype.kind not in "biuf" or rows.ndim != 2:
        raise DataError("has no array X of numbers [N, width]")
    if rows.shape[1] != width:
        raise DataError(f"has vectors of {rows.shape[1]} values; the task has {width} (its width)")
    for name, array in arrays.items():
        if array.shape != rows.shape[:1]:
            raise DataError(f"has {len(rows)} vectors in X and shape {array.shape} in {name}; allowed is one a vector")
    texts = {name: _texts(array) for name, array in arrays.items()}
    with np.errstate(over="ignore"):  # a value that is too large becomes infinite, and its vector is refused
        numbers = rows.astype(np.float32)
    return VectorFile(numbers, texts.get("y"), texts.get("groups"), texts.get("domains"), texts.get("splits"))


def _texts(array: NDArray[Any]) -> tuple[str, ...]:
    values: Sequence[Any] = array.tolist()
    return tuple(f"{value:g}" if isinstance(value, float) else str(value) for value in values)
