"""Processes that do what a stranger's bytes are needed for, within bounds of time and memory.

Decoders are native code: a crash, a hang or a lack of memory ends one process, whose work is told as failed; the server
goes on, and the next work gets a new process.
"""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import resource
import signal
import sys
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from shared.errors import MedtlError
from shared.processes.persistent import PersistentWorker

MEMORY_BYTES = 6 << 30
"""For the data of one process: the largest picture that is read takes 768 MB as numbers, and is held three times; torch
itself takes 2 GB of address space."""

Told = Callable[..., None]
"""Is called in the process with what has been done so far; the arguments reach the server."""


class WorkFailed(MedtlError):
    """Work was refused, took too long, or ended its process; the message is the reason, without identifiers."""


class Worker:
    """One process, started when it is first needed and again when it was lost.

    Args:
        work: An object of an importable module, pickled; its methods take their arguments and then a `Told`.
        timeout_s: After which one call is given up.
        memory_bytes: That the process may take.
    """

    def __init__(self, work: Any, timeout_s: float, memory_bytes: int = MEMORY_BYTES) -> None:
        self._work, self._timeout_s, self._memory_bytes = work, timeout_s, memory_bytes
        self._kept = PersistentWorker(_serve)
        self._outdated = False

    def renew(self, work: Any) -> None:
        """Has the next call done by other work, in a new process; a call in progress ends as it began."""
        self._work, self._outdated = work, True

    def call(self, method: str, *given: Any, told: Told = lambda *_: None) -> Any:
        """Calls a method of the work in the process and gives what it gives.

        Raises:
            WorkFailed: It raised, took too long, or ended the process.
        """
        pipe, ends = self._started(), time.monotonic() + self._timeout_s
        try:
            pipe.send((method, given))
            while pipe.poll(max(0.0, ends - time.monotonic())):
                kind, answer = pipe.recv()
                if kind == "told":
                    told(*answer)
                elif kind == "fault":
                    raise WorkFailed(answer)
                else:
                    return answer
        except (EOFError, OSError):
            raise WorkFailed(f"ended the process that worked on it ({self._kept.end()})") from None
        self.stop()
        raise WorkFailed(f"took more than {self._timeout_s:g} s")

    def stop(self) -> None:
        """Ends the process and waits for its end."""
        self._kept.stop()

    def kill(self) -> None:
        """Ends the process, also from another thread in the middle of a call, which fails then."""
        self._kept.kill()

    def _started(self) -> Connection:
        if self._outdated:
            self._outdated = False
            self._kept.stop()
        return self._kept.pipe(self._work, self._memory_bytes)


class WorkerPool:
    """Some workers for the same work; what is asked for waits until one is free, in the order in which it came.

    Args:
        work: As of `Worker`.
        count: Of processes.
        timeout_s: As of `Worker`.
        memory_bytes: As of `Worker`.
    """

    def __init__(self, work: Any, count: int, timeout_s: float, memory_bytes: int = MEMORY_BYTES) -> None:
        self._workers = [Worker(work, timeout_s, memory_bytes) for _ in range(count)]
        self._free: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        for worker in self._workers:
            self._free.put(worker)
        # a thread for each process waits for it, so that the server's own threads never do
        self._threads = ThreadPoolExecutor(count, "worker")

    async def call(self, method: str, *given: Any, told: Told = lambda *_: None) -> Any:
        """Calls a method in the first process that is free; `told` is called from another thread.

        Raises:
            WorkFailed: As of `Worker.call`.
        """
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, partial(self._call, method, *given, told=told)
        )

    def renew(self, work: Any) -> None:
        """As `Worker.renew`, of all processes."""
        for worker in self._workers:
            worker.renew(work)

    def close(self) -> None:
        """Ends all processes, in whatever they do; what waits is never begun."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            worker.kill()

    def _call(self, method: str, *given: Any, told: Told) -> Any:
        worker = self._free.get()
        try:
            return worker.call(method, *given, told=told)
        finally:
            self._free.put(worker)


def _serve(pipe: Connection, work: Any, memory_bytes: int) -> None:
    """The process: does what comes through the pipe until its other end is closed."""
    # Ctrl-C reaches the whole group of processes; the server decides when this one ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold the images
    # libraries quote values when they warn, and native decoders print what they like; faults go through the pipe
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())
    with suppress(EOFError, OSError):
        while True:
            method, given = pipe.recv()
            pipe.send(_answer(pipe, work, method, given))


def _answer(pipe: Connection, work: Any, method: str, given: tuple[Any, ...]) -> tuple[str, Any]:
    def tell(*told: Any) -> None:
        pipe.send(("told", told))

    try:
        return "result", getattr(work, method)(*given, tell)
    except MedtlError as error:
        return "fault", str(error)
    except MemoryError:
        return "fault", "needs more memory than one input may take here"
    # Whatever a decoder raises on damaged bytes: its message may quote the patient, its kind does not.
    except Exception as error:
        return "fault", f"cannot be judged ({type(error).__name__})"
