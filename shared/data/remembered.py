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
    code = code_hash(type(task).__module__)
    if code is None:
        return compute()
    named = [f"{sample.id}:{sample.frame}:{sample.series_key}" for sample in samples]
    key = json.dumps([task.name, code, content_hash, named, facts])
    folder = cache_folder(kind) / hashlib.sha256(key.encode()).hexdigest()
    path = folder / "arrays.npz"
    with alone_in(folder):
        found = _read(path)
        if found is None:
            found = compute()
            if is_kept(found):
                arrays = dict[str, Any](found)
                with writing(path) as partial, partial.open("wb") as stream:
                    np.savez(stream, **arrays)
    return found


def _read(path: Path) -> Arrays | None:
    """The arrays of a file; None where there is none, or a damaged one, which is computed again."""
    if not path.is_file():
        return None
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        log.warning("a damaged file of the cache is computed again (%s)", type(error).__name__)
        return None
