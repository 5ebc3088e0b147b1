"""Times an action beside its peer, in turn and in one run: machines are noisy, only the ratio of the times counts."""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

REPEATS = 3


@dataclass(frozen=True)
class Times:
    """How long an action took, in seconds.

    Attributes:
        cpu: Time that processors worked for it, in this process and those that it started and that ended.
        wall: Time by the clock.
    """

    cpu: float
    wall: float


@dataclass(frozen=True)
class Measured:
    """A row of the table: what was measured, beside its peer.

    Attributes:
        what: What we do.
        ours: What it took.
        peer: What it is compared with.
        theirs: What that took.
        goal: Bound of the ratio: ">= 0.9", that of the peer's time over ours; "<= 0.25", that of ours over the peer's.
        clock: Which of the two times the ratio is of.
    """

    what: str
    ours: Times
    peer: str
    theirs: Times
    goal: str
    clock: Literal["cpu", "wall"] = "cpu"
    ratio: float = field(init=False)

    def __post_init__(self) -> None:
        ours, theirs = getattr(self.ours, self.clock), getattr(self.theirs, self.clock)
        object.__setattr__(self, "ratio", theirs / ours if self.goal.startswith(">=") else ours / theirs)

    @property
    def is_reached(self) -> bool:
        """Whether the ratio meets the goal."""
        sign, bound = self.goal.split()
        return self.ratio >= float(bound) if sign == ">=" else self.ratio <= float(bound)


def best_times(*actions: Callable[[], object], repeats: int = REPEATS, warm_up: bool = True) -> list[Times]:
    """Measures the least processor time and the least time by the clock of each action; actions run in turn.

    Args:
        actions: What is timed.
        repeats: Times that each is timed.
        warm_up: Whether each runs once before that.
    """
    if warm_up:
        for action in actions:
            action()
    taken: list[list[Times]] = [[] for _ in actions]
    for _ in range(repeats):
        for action, times in zip(actions, taken, strict=True):
            times.append(timed(action))
    return [Times(min(one.cpu for one in times), min(one.wall for one in times)) for times in taken]


def timed(action: Callable[[], object]) -> Times:
    """Measures an action once."""
    cpu, wall = _cpu_seconds(), time.perf_counter()
    action()
    return Times(_cpu_seconds() - cpu, time.perf_counter() - wall)


def _cpu_seconds() -> float:
    """The processor time of this process and of its children that have ended, in seconds."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


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
