"""A pool of worker processes for asyncio, each within bounds of time and memory."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

from shared.processes.worker import MEMORY_BYTES, Report, Worker, WorkFailed


class WorkerPool:
    """Several processes for the same untrusted work; a call waits for a free one, first come, first served.

    Args:
        work: Object of an importable module, pickled; its methods take their arguments and then a `Report`.
        count: Number of processes.
        timeout_s: Seconds that one call may take.
        cpu_s: Seconds of computing between two reports of a call; None: no limit.
    """

    def __init__(self, work: Any, count: int, timeout_s: float, cpu_s: int | None = None) -> None:
        self._workers = [Worker(work, timeout_s, MEMORY_BYTES, cpu_s) for _ in range(count)]
        self._free: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        for worker in self._workers:
            self._free.put(worker)
        # a thread for each process waits for it, so that the server's own threads never do
        self._threads = ThreadPoolExecutor(count, "worker")

    async def call(self, method: str, *arguments: Any, progress: Report = lambda *_: None) -> Any:
        """Calls a method of the work in the first free process; where the caller is cancelled, that process ends.

        Args:
            method: Name of the method.
            arguments: Its arguments without the last one, the `Report`; pickled, as is the result.
            progress: Receives what the method reports; called from another thread.

        Returns:
            What the method returned.

        Raises:
            WorkFailed: The method raised an error, took too long, or ended its process.
        """
        process = _Process()
        work = partial(self._call, process, method, *arguments, progress=progress)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except asyncio.CancelledError:
            process.cancel()
            raise

    def renew(self, work: Any) -> None:
        """Replaces the work of all processes: each starts anew with its next call.

        Args:
            work: Object of an importable module, pickled.
        """
        for worker in self._workers:
            worker.renew(work)

    def close(self) -> None:
        """Kills all processes, also during a call; waiting calls are never made."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            worker.kill()

    def _call(self, process: _Process, method: str, *arguments: Any, progress: Report) -> Any:
        worker = self._free.get()
        try:
            worker.start()
            with process.working(worker):
                return worker.call(method, *arguments, progress=progress)
        finally:
            self._free.put(worker)


class _Process:
    """The process of one call, which another thread may end."""

    def __init__(self) -> None:
        self._guard, self._cancelled = threading.Lock(), False
        self._worker: Worker | None = None

    @contextmanager
    def working(self, worker: Worker) -> Iterator[None]:
        with self._guard:
            if self._cancelled:
                raise WorkFailed("was given up before it began")
            self._worker = worker
        try:
            yield
        finally:
            with self._guard:  # from here on the worker may serve another call
                self._worker = None

    def cancel(self) -> None:
        with self._guard:
            self._cancelled = True
            if self._worker is not None:
                self._worker.kill()
