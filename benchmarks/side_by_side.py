"""Times actions in turn in one process: machines are noisy, and only the ratio of the times counts."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

REPEATS = 3


def best_seconds(*actions: Callable[[], object], repeats: int = REPEATS) -> list[float]:
    """Measures the shortest time of each action in seconds; actions run in turn, after one run to warm up."""
    return _best(time.perf_counter, actions, repeats)


def best_cpu_seconds(*actions: Callable[[], object], repeats: int = REPEATS) -> list[float]:
    """Measures as `best_seconds` does, in seconds that a processor worked for this process."""
    return _best(time.process_time, actions, repeats)


def _best(clock: Callable[[], float], actions: Sequence[Callable[[], object]], repeats: int) -> list[float]:
    for action in actions:
        action()
    times: list[list[float]] = [[] for _ in actions]
    for _ in range(repeats):
        for action, taken in zip(actions, times, strict=True):
            started = clock()
            action()
            taken.append(clock() - started)
    return [min(taken) for taken in times]


@contextmanager
def empty_cache() -> Iterator[None]:
    """Replaces the cache of features and images by an empty one inside the `with` block."""
    before = os.environ.get("XDG_CACHE_HOME")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ["XDG_CACHE_HOME"]
            else:
                os.environ["XDG_CACHE_HOME"] = before
