"""A process that is kept for one piece of work after another, and replaced where one of them ended it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from shared.processes.child import describe_exit

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

STOP_S = 5.0
"""For a process that was killed, or closed its pipe, to be gone."""


class PersistentWorker:
    """One spawned process at a time, at the other end of a pipe.

    Args:
        serve: Is called in the process with its end of the pipe and what `pipe` is given; a function of an importable
            module.
    """

    def __init__(self, serve: Callable[..., None]) -> None:
        self._serve = serve
        self._child: SpawnProcess | None = None
        self._pipe: Connection | None = None

    def pipe(self, *given: Any) -> Connection:
        """This end of the pipe; the process is started with `given`, pickled, where there is none that lives."""
        if self._pipe is None or self._child is None or not self._child.is_alive():
            context = multiprocessing.get_context("spawn")
            self._pipe, far = context.Pipe()
            self._child = context.Process(target=self._serve, args=(far, *given), daemon=True)
            self._child.start()
            far.close()
        return self._pipe

    def kill(self) -> None:
        """Ends the process, also from another thread that does not wait for it."""
        if (child := self._child) is not None:
            child.kill()

    def stop(self) -> None:
        """Ends the process and waits for its end."""
        self.kill()
        self.end()

    def end(self) -> str:
        """How a process ended that is ending, in words, once it has."""
        child, self._child = self._child, None
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None
        if child is None:
            return "stopped"
        child.join(STOP_S)
        return describe_exit(child.exitcode)
