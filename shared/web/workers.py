"""A pool of worker processes for asyncio, each within bounds of time and memory."""

from __future__ import annotations

import asyncio
import queue
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from shared.processes.worker import MEMORY_BYTES, Report, Worker


class WorkerPool:
    """Several processes for the same untrusted work; a call waits for a free one, first come, first served.

    Args:
        work: Object of an importable module, pickled; its methods take their arguments and then a `Report`.
        count: Number of processes.
        timeout_s: Seconds that one call may take.
    """

    def __init__(self, work: Any, count: int, timeout_s: float) -> None:
        self._workers = [Worker(work, timeout_s, MEMORY_BYTES) for _ in range(count)]
        self._free: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        for worker in self._workers:
            self._free.put(worker)
        # a thread for each process waits for it, so that the server's own threads never do
        self._threads = ThreadPoolExecutor(count, "worker")

    async def call(self, method: str, *arguments: Any, progress: Report = lambda *_: None) -> Any:
        """Calls a method of the work in the first free process.

        Args:
            method: Name of the method.
            arguments: Its arguments without the last one, the `Report`; pickled, as is the result.
            progress: Receives what the method reports; called from another thread.

        Returns:
            What the method returned.

        Raises:
            WorkFailed: The method raised an error, took too long, or ended its process.
        """
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, partial(self._call, method, *arguments, progress=progress)
        )

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

    def _call(self, method: str, *arguments: Any, progress: Report) -> Any:
        worker = self._free.get()
        try:
            return worker.call(method, *arguments, progress=progress)
        finally:
            self._free.put(worker)
