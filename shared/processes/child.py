"""Work in a process of its own: what ends that process does not end this one, and its peak of memory is the work's."""

from __future__ import annotations

import logging
import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from shared.errors import MedtlError
from shared.progress import Progress

STOP_S = 10.0
"""For a process to end when it is asked to; after that it is killed."""


class SubprocessFailed(MedtlError):
    """The work was refused or its process ended; the message is the reason."""


def run_in_subprocess(work: Callable[..., Any], *given: Any, progress: Progress = lambda *_: None) -> Any:
    """Calls `work(*given, progress)` in a new process and gives what it gives.

    Args:
        work: A function of an importable module; it is pickled, as are its arguments and its result.
        given: Its arguments.
        progress: Is called here with what the work reports there.

    Raises:
        SubprocessFailed: The work raised a `MedtlError`, or its process ended without a result (a crash, no memory).
    """
    context = multiprocessing.get_context("spawn")
    near, far = context.Pipe()
    child = context.Process(target=_serve, args=(far, logging.getLogger().level, work, given))
    child.start()
    far.close()
    try:
        while True:
            kind, told = near.recv()
            if kind == "progress":
                progress(*told)
            elif kind == "fault":
                raise SubprocessFailed(told)
            else:
                return told
    except (EOFError, ConnectionResetError):
        child.join(STOP_S)
        said = "; what it said last stands on standard error" if (child.exitcode or 0) > 0 else ""
        raise SubprocessFailed(f"the process ended early: {describe_exit(child.exitcode)}{said}") from None
    except KeyboardInterrupt:
        child.terminate()
        raise
    finally:
        near.close()
        child.join(STOP_S)
        if child.is_alive():
            child.kill()
            child.join()


def describe_exit(code: int | None) -> str:
    """How a process ended, in words.

    Args:
        code: As `multiprocessing.Process.exitcode`; None where it has not ended in the time it was given.
    """
    if code is None:
        return "not yet"
    if code >= 0:
        return f"exit code {code}"
    known = {one.value: one.name for one in signal.Signals}
    name = known.get(-code, f"signal {-code}")
    return f"{name}, as where memory runs out" if name == "SIGKILL" else name


def _serve(pipe: Connection, level: int, work: Callable[..., Any], given: tuple[Any, ...]) -> None:
    # Ctrl-C reaches the whole group of processes; the parent decides when this one ends
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(level=level, format="%(name)s: %(message)s")

    def tell(*told: Any) -> None:
        pipe.send(("progress", told))

    try:
        pipe.send(("result", work(*given, tell)))
    except MedtlError as error:
        pipe.send(("fault", str(error)))
    except BrokenPipeError:
        return  # the parent is gone: nobody waits for this
