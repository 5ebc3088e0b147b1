"""Arrays that follow from data and code alone: computed once, kept on disk, and read by every run on the same data."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from shared.data.code_hash import code_hash
from shared.io.array_store import alone_in, cache_folder
from shared.io.atomic import writing
from shared.samples import Sample
from shared.task import Task

Arrays = Mapping[str, NDArray[Any]]
FILE = "arrays.npz"
log = logging.getLogger(__name__)


def remembered(
    kind: str,
    task: Task,
    content_hash: str,
    samples: Sequence[Sample],
    facts: Any,
    compute: Callable[[], Arrays],
    *,
    is_kept: Callable[[Arrays], bool] = lambda _: True,
) -> Arrays:
    """Reads what was computed of samples before, or computes and keeps it; two processes do not compute it at once.

    The key is a hash of the data, the samples, the facts, and the code that reads them (`code_hash`). Nothing is kept
    where the code of the application lies in no file.

    Args:
        kind: Name of the folder in the cache.
        task: The application, whose code reads the samples.
        content_hash: Hash over the bytes of the data.
        samples: The samples, in their order.
        facts: What else it follows from, as JSON has it.
        compute: Computes the arrays, none of objects.
        is_kept: Whether computed arrays are kept: what a fault of the disk may have made is not.
    """
    folder = _folder(kind, task, content_hash, [[names_of(sample) for sample in samples], facts])
    if folder is None:
        return compute()
    with alone_in(folder):
        found = _read(folder)
        if found is None:
            found = compute()
            if is_kept(found):
                _write(folder, found)
    return found


def remembered_flags(
    kind: str,
    task: Task,
    content_hash: str,
    keys: Sequence[str],
    compute: Callable[[NDArray[np.int64]], NDArray[np.bool_]],
) -> NDArray[np.bool_]:
    """Reads a flag of each of N things, and computes and keeps those that no run on the same data asked for before.

    Args:
        kind: Name of the folder in the cache.
        task: The application, whose code reads the samples.
        content_hash: Hash over the bytes of the data.
        keys: What each flag follows from besides data and code, such as names of samples.
        compute: Computes the flags, bool [M], of the things at M indices, ascending.

    Returns:
        bool [N].
    """
    folder = _folder(kind, task, content_hash, None)
    if folder is None:
        return compute(np.arange(len(keys)))
    digests = [hashlib.sha256(key.encode()).hexdigest().encode() for key in keys]
    with alone_in(folder):
        known = _read(folder)
        flags = {} if known is None else dict(zip(known["keys"].tolist(), known["flags"].tolist(), strict=True))
        missing = [i for i, digest in enumerate(digests) if digest not in flags]
        if missing:
            found = compute(np.array(missing, dtype=np.int64))
            flags |= zip([digests[i] for i in missing], found.tolist(), strict=True)
            _write(folder, {"keys": np.array(list(flags)), "flags": np.array(list(flags.values()))})
    return np.array([flags[digest] for digest in digests], dtype=np.bool_)


def names_of(sample: Sample) -> str:
    """Names a sample within its data, by all that says which pixels it has and which others it is judged with.

    Args:
        sample: The sample.
    """
    return f"{sample.id}:{sample.frame}:{sample.series_key}"


def _folder(kind: str, task: Task, content_hash: str, facts: Any) -> Path | None:
    """The folder of what follows from these facts; None where the code of the application lies in no file."""
    code = code_hash(type(task).__module__)
    if code is None:
        return None
    key = json.dumps([task.name, code, content_hash, facts])
    return cache_folder(kind) / hashlib.sha256(key.encode()).hexdigest()


def _write(folder: Path, found: Arrays) -> None:
    arrays = dict[str, Any](found)
    with writing(folder / FILE) as partial, partial.open("wb") as stream:
        np.savez(stream, **arrays)


def _read(folder: Path) -> Arrays | None:
    """The arrays of a folder; None where there are none, or damaged ones, which are computed again."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        log.warning("a damaged file of the cache is computed again (%s)", type(error).__name__)
        return None
