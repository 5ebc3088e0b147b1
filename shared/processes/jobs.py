"""Runs independent pieces of work: in warm processes on this machine, or on a cluster (`shared.processes.ray`)."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol, Self

from shared.errors import MedtlError
from shared.processes.memory import available_bytes, begin_peak, cores, spare_what_stays
from shared.processes.worker import Report, Worker
from shared.progress import Progress

ITEM_BYTES = 4 << 30
"""Memory that is set aside for each process: more than a fine-tuning of a small network takes."""


@dataclass(frozen=True)
class WorkItem:
    """One piece of work.

    Attributes:
        name: Name that progress and reports show.
        work: A function of an importable module; called as `work(*arguments, progress)` in another process.
        arguments: Its arguments; they are pickled, as is its result.
        gpu: Whether it uses a GPU where there is one.
        line: Items with the same text here wait for each other on one machine, in their order: what an item finds in a
            cache, and with that its last digits, must not depend on chance. None: it waits for none.
    """

    name: str
    work: Callable[..., Any]
    arguments: tuple[Any, ...]
    gpu: bool
    line: str | None = None


class Workers(Protocol):
    """Runs work items; an error of one, or the end of its process, does not stop the others."""

    def run(self, items: Sequence[WorkItem], progress: Progress) -> Iterator[tuple[int, Any]]:
        """Runs the items and yields (index, result or `MedtlError`) of each, in the order in which they end.

        Args:
            items: The items, in the order in which they are begun.
            progress: Called with ("items", finished, total, name of the running item).
        """


class WarmProcesses:
    """Runs items in a few processes of this machine, each of which takes one item after the other.

    What a process has imported and read serves its next item. One that ends early is replaced. An item computes with
    the threads that it would have alone, as other threads round otherwise: all cores, or as many as `OMP_NUM_THREADS`
    says; under 1 there is a process for each core. Where a GPU is used there is one process, for two would share its
    memory. A context manager, at the end of which the processes end.

    Args:
        count: Number of processes at most; None: the cores divided by the threads of an item, as memory allows.
    """

    def __init__(self, count: int | None = None) -> None:
        together = min(cores() // threads_of_item(), available_bytes() // ITEM_BYTES)
        self._workers = [Worker(run_item, untrusted=False) for _ in range(count or max(1, together))]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the processes, once they are done with what they do."""
        for worker in self._workers:
            worker.close()

    def call(self, work: Callable[..., Any], *arguments: Any, progress: Report = lambda *_: None) -> Any:
        """Calls `work(*arguments, progress)` in one of the processes and returns its result.

        Args:
            work: A function of an importable module; it is pickled, as are its arguments and its result.
            arguments: Its arguments without the last one.
            progress: Called in this process with what the work reports.

        Raises:
            WorkFailed: The work raised a `MedtlError`, or its process ended without a result.
        """
        return self._workers[0].call("__call__", work, arguments, progress=progress)

    def run(self, items: Sequence[WorkItem], progress: Progress) -> Iterator[tuple[int, Any]]:
        """Runs the items, as many at once as there are processes; a `MedtlError` of one does not stop the others.

        Args:
            items: The items, in the order in which they are begun.
            progress: Called with ("items", finished, total, what a running item does).

        Yields:
            (index, result) of each item, in the order in which they end; a `MedtlError` is the result of an item that
            failed.
        """
        alone = any(item.gpu for item in items) and _has_gpu()
        lines = _lines(items)
        workers = self._workers[: 1 if alone else len(lines)]
        waiting, told = queue.SimpleQueue[list[int]](), queue.SimpleQueue[tuple[str, int, Any]]()
        ended = threading.Event()
        for line in lines:
            waiting.put(line)
        keepers = [
            threading.Thread(target=_keep_busy, args=(worker, items, waiting, told, ended), daemon=True)
            for worker in workers
        ]
        for keeper in keepers:
            keeper.start()
        done = 0
        try:
            while done < len(items):
                kind, index, content = told.get()
                if kind == "progress":
                    progress("items", done, len(items), content)
                    continue
                if kind == "fault":
                    raise content
                done += 1
                yield index, content
        finally:
            ended.set()
            for keeper, worker in zip(keepers, workers, strict=True):
                while keeper.is_alive():
                    keeper.join(0.1)
                    if done < len(items):  # interrupted: nobody waits for the others
                        worker.kill()


def _lines(items: Sequence[WorkItem]) -> list[list[int]]:
    """The indices of items that wait for each other, line by line."""
    lines: dict[str | int, list[int]] = {}
    for index, item in enumerate(items):
        lines.setdefault(index if item.line is None else item.line, []).append(index)
    return list(lines.values())


def _keep_busy(
    worker: Worker,
    items: Sequence[WorkItem],
    waiting: queue.SimpleQueue[list[int]],
    told: queue.SimpleQueue[tuple[str, int, Any]],
    ended: threading.Event,
) -> None:
    """Hands items to a process, line by line, until none is left or the others are given up."""
    with suppress(queue.Empty):
        while True:
            for index in waiting.get_nowait():
                if ended.is_set() or not _do(worker, index, items[index], told):
                    return


def _do(worker: Worker, index: int, item: WorkItem, told: queue.SimpleQueue[tuple[str, int, Any]]) -> bool:
    """Does one item; its progress and result go to `told`. Whether the next one may begin."""

    def report(what: str, done: int, total: int, _: str) -> None:
        told.put(("progress", index, f"{item.name}: {what} {done}/{total}"))

    told.put(("progress", index, item.name))
    try:
        result = worker.call("__call__", item.work, item.arguments, progress=report)
    except MedtlError as error:
        result = error
    except BaseException as error:  # raised in the thread that waits for the items
        told.put(("fault", index, error))
        return False
    told.put(("result", index, result))
    return True


def run_item(work: Callable[..., Any], arguments: tuple[Any, ...], progress: Report) -> Any:
    """Does a piece of work in a process that may have done others before; its peak of memory is its own.

    Args:
        work: A function; called as `work(*arguments, progress)`.
        arguments: Its arguments without the last one.
        progress: Called with what the work reports.
    """
    begin_peak()
    spare_what_stays()
    return work(*arguments, progress)


def threads_of_item() -> int:
    """Returns the threads that an item computes with: those of `OMP_NUM_THREADS`, else one for each core."""
    stated = os.environ.get("OMP_NUM_THREADS", "")
    return int(stated) if stated.isdecimal() and int(stated) else cores()


def _has_gpu() -> bool:
    from torch import cuda

    return bool(cuda.is_available())
