"""Runs independent pieces of work: one process after another here, or a cluster (`shared.processes.ray`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from shared.errors import MedtlError
from shared.processes.worker import run_in_subprocess
from shared.progress import Progress


@dataclass(frozen=True)
class WorkItem:
    """One piece of work.

    Attributes:
        name: As people are told it.
        work: A function of an importable module; called as `work(*given, progress)` in a process of its own.
        given: Its arguments, which can be pickled, as can what it gives.
        gpu: Whether it uses a GPU where there is one.
    """

    name: str
    work: Callable[..., Any]
    given: tuple[Any, ...]
    gpu: bool


class Workers(Protocol):
    """Runs items; what one of them raises, or the end of its process, does not stop the others."""

    def run(self, items: Sequence[WorkItem], progress: Progress) -> Iterator[tuple[int, Any]]:
        """Gives (place of the errand, what it gave or the `MedtlError` that ended it), in the order in which they end.

        Args:
            items: In the order in which they are begun.
            progress: Called with ("items", ended, all, what is going on).
        """


class SerialExecutor:
    """Each errand in a new process on this machine, one after another."""

    def run(self, items: Sequence[WorkItem], progress: Progress) -> Iterator[tuple[int, Any]]:
        """See `Workers`."""
        for place, errand in enumerate(items):
            progress("items", place, len(items), errand.name)
            try:
                yield place, run_in_subprocess(errand.work, *errand.given, progress=_noted(progress, place, items))
            except MedtlError as error:
                yield place, error


def _noted(progress: Progress, place: int, items: Sequence[WorkItem]) -> Progress:
    """What an errand reports, as a note beside how many have ended."""
    name = items[place].name
    return lambda what, done, total, _: progress("items", place, len(items), f"{name}: {what} {done}/{total}")
