"""Runs independent pieces of work: in one process after another here, or on a cluster (`shared.processes.ray`)."""

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
        name: Name that progress and reports show.
        work: A function of an importable module; called as `work(*arguments, progress)` in a process of its own.
        arguments: Its arguments; they are pickled, as is its result.
        gpu: Whether it uses a GPU where there is one.
    """

    name: str
    work: Callable[..., Any]
    arguments: tuple[Any, ...]
    gpu: bool


class Workers(Protocol):
    """Runs work items; an error of one, or the end of its process, does not stop the others."""

    def run(self, items: Sequence[WorkItem], progress: Progress) -> Iterator[tuple[int, Any]]:
        """Runs the items and yields (index, result or `MedtlError`) of each, in the order in which they end.

        Args:
            items: The items, in the order in which they are begun.
            progress: Called with ("items", finished, total, name of the running item).
        """


class SerialExecutor:
    """Runs each item in a new process on this machine, one after another."""

    def run(self, items: Sequence[WorkItem], progress: Progress) -> Iterator[tuple[int, Any]]:
        """Runs each item in a new process, one after another; a `MedtlError` of one does not stop the others.

        Args:
            items: The items, in the order in which they are run.
            progress: Called with ("items", finished, total, name of the running item).

        Yields:
            (index, result) of each item in turn; a `MedtlError` is the result of an item that failed.
        """
        for index, item in enumerate(items):
            progress("items", index, len(items), item.name)
            try:
                yield index, run_in_subprocess(item.work, *item.arguments, progress=_as_note(progress, index, items))
            except MedtlError as error:
                yield index, error


def _as_note(progress: Progress, index: int, items: Sequence[WorkItem]) -> Progress:
    """Turns the progress of one item into the note of the progress of all."""
    name = items[index].name
    return lambda what, done, total, _: progress("items", index, len(items), f"{name}: {what} {done}/{total}")
