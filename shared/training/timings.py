"""Seconds that were measured once for a network and a machine, and are read from the cache from then on."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from shared.errors import RunError
from shared.io.array_store import alone_in, cache_folder
from shared.io.atomic import read_json, write_json

log = logging.getLogger(__name__)


def remembered(
    kind: str, facts: Sequence[object], names: Sequence[str], measure: Callable[[], dict[str, float]]
) -> dict[str, float]:
    """Returns seconds by name, from the cache, or measured and kept there.

    Args:
        kind: What is measured, the name of a folder of the cache.
        facts: All that the seconds follow from, ready for JSON.
        names: Names of the seconds.
        measure: Measures them; what it raises is raised, and nothing is kept.
    """
    folder = cache_folder(kind) / hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    path = folder / "seconds.json"
    with alone_in(folder):  # so that all processes of a training take the same
        found = _read(path, names)
        if found is None:
            found = measure()
            write_json(path, found)
    return found


def _read(path: Path, names: Sequence[str]) -> dict[str, float] | None:
    """The content of a file of the cache; None where there is none, or a damaged one, which is made again."""
    if not path.is_file():
        return None
    try:
        tree = read_json(path)
        return {name: float(tree[name]) for name in names}
    except (RunError, KeyError, TypeError, ValueError) as error:
        log.warning("a damaged file of the cache is made again (%s)", type(error).__name__)
        return None
