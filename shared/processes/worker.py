"""Work in a process of its own: a crash, a hang or a lack of memory ends that process, and not this one."""

from __future__ import annotations

import logging
import math
import multiprocessing
import os
import resource
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.errors import MedtlError, machine_fault, system_words
from shared.processes.script import SHIELD, is_run_again, needs_script, without_script

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

MEMORY_BYTES = 6 << 30
"""For the data of one process that reads files from outside: the largest picture that is read takes 768 MB as numbers,
and is held three times; torch itself takes 2 GB of address space."""
ITEM_CPU_S = 240
"""Seconds of computing of one thread for one item: several times what the largest series takes."""
STOP_S = 10.0
"""Seconds that a process may take to exit; then it is killed."""

FAULT, MACHINE_FAULT = "fault", "fault of the machine"
"""Kinds of messages of the child that say why there is no result."""
Report = Callable[..., None]
"""Called in the child with anything that can be pickled; `progress` is called in the parent with the same."""


class WorkFailed(MedtlError):
    """A call in a child process was refused, took too long, or ended the process; the message is the reason."""


class MachineFailed(WorkFailed):
    """A call in a child process failed by a fault of the machine, such as a full disk; its input is not at fault."""


class Worker:
    """Calls methods of an object in a child process, which starts at the first call and again after it was lost.

    Untrusted work reads files from outside. Its child prints and logs nothing and writes no core file. Of an unexpected
    exception the caller learns the type alone, because its message may quote a patient. The child of trusted work logs
    to standard error at the parent's level, may start processes, and ends with a traceback.

    Args:
        work: A function or an object of an importable module, pickled; its methods take their arguments and then a
            `Report`.
        timeout_s: Seconds that one call may take; None: no limit.
        memory_bytes: Limit of the child's data (RLIMIT_DATA); None: no limit.
        cpu_s: Seconds of computing (RLIMIT_CPU) that the child may take between two reports, which the work makes after
            each item; None: no limit.
        untrusted: Whether the work reads files from outside, which may be made to do harm.
    """

    def __init__(
        self,
        work: Any,
        timeout_s: float | None = None,
        memory_bytes: int | None = None,
        cpu_s: int | None = None,
        *,
        untrusted: bool = True,
    ) -> None:
        self._work, self._timeout_s, self._untrusted = work, timeout_s, untrusted
        self._limits = _Limits(memory_bytes, cpu_s)
        self._child: SpawnProcess | None = None
        self._pipe: Connection | None = None
        self._outdated = False

    def call(self, method: str, *arguments: Any, progress: Report = lambda *_: None) -> Any:
        """Calls a method of the work in the child and returns its result.

        Args:
            method: Its name; `__call__` where the work is a function.
            arguments: Its arguments without the last one; pickled, as is the result.
            progress: Receives what the method reports.

        Raises:
            MachineFailed: The machine refused something (a full disk).
            WorkFailed: The method raised an error, took more than `timeout_s`, or ended the child.
        """
        pipe = self._started(arguments)
        deadline = None if self._timeout_s is None else time.monotonic() + self._timeout_s
        with suppress(OSError):  # a dead child is noticed below
            pipe.send((method, arguments))
        kind, content = self._receive(pipe, deadline)
        while kind == "progress":
            try:
                progress(*content)
            except BaseException:
                self.stop()  # or its answer would be taken for that of the next call
                raise
            kind, content = self._receive(pipe, deadline)
        if kind == MACHINE_FAULT:
            raise MachineFailed(content)
        if kind == FAULT:
            raise WorkFailed(content)
        return content

    def start(self) -> None:
        """Starts the child where none is running, so that `kill` ends a call that is about to be made."""
        self._started()

    def renew(self, work: Any) -> None:
        """Replaces the work: the next call is made in a new child; a call in progress ends with the old work.

        Args:
            work: A function or an object of an importable module, pickled.
        """
        self._work, self._outdated = work, True

    def kill(self) -> None:
        """Kills the child, also from another thread during a call, which fails then."""
        if (child := self._child) is not None:
            child.kill()

    def stop(self) -> None:
        """Kills the child and waits for its end."""
        self.kill()
        self.close()

    def close(self) -> str:
        """Lets the child exit, and kills it after `STOP_S`.

        Returns:
            How it ended, in a few words: "exit code 0", the name of a signal, or "stopped" where no child was running.
        """
        child, self._child = self._child, None
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None
        if child is None:
            return "stopped"
        child.join(STOP_S)
        code = child.exitcode
        if code is None:
            child.kill()
            child.join()
        hint = "; its last messages are on standard error" if not self._untrusted and (code or 0) > 0 else ""
        return describe_exit(code) + hint

    def _started(self, arguments: tuple[Any, ...] = ()) -> Connection:
        if self._outdated:
            self._outdated = False
            self.stop()
        if self._pipe is None or self._child is None or not self._child.is_alive():
            self.close()
            if is_run_again():
                raise WorkFailed(SHIELD)
            context = multiprocessing.get_context("spawn")
            self._pipe, far = context.Pipe()
            level = None if self._untrusted else logging.getLogger().level
            # a daemon may have no children of its own, which trusted work needs for loading data
            served = far, self._work, level, self._limits
            child = context.Process(target=_serve, args=served, daemon=self._untrusted)
            with nullcontext() if needs_script(self._work, arguments) else without_script():
                child.start()
            self._child = child
            far.close()
        return self._pipe

    def _receive(self, pipe: Connection, deadline: float | None) -> tuple[str, Any]:
        try:
            if pipe.poll(None if deadline is None else max(0.0, deadline - time.monotonic())):
                message: tuple[str, Any] = pipe.recv()
                return message
        except (EOFError, OSError):
            ended = self.close()
            untrusted = f"ended the process that worked on it ({ended})"
            raise WorkFailed(untrusted if self._untrusted else f"the process ended early: {ended}") from None
        except KeyboardInterrupt:
            self.stop()
            raise
        self.stop()
        raise WorkFailed(f"took more than {self._timeout_s:g} s")


def describe_exit(code: int | None) -> str:
    """Describes in a few words how a process ended.

    Args:
        code: `multiprocessing.Process.exitcode`; None: it has not ended yet.

    Returns:
        "exit code N", the name of the signal that killed it (for SIGKILL with a likely cause), or "not yet".
    """
    if code is None:
        return "not yet"
    if code >= 0:
        return f"exit code {code}"
    known = {one.value: one.name for one in signal.Signals}
    name = known.get(-code, f"signal {-code}")
    causes = {"SIGKILL": ", as when memory runs out", "SIGXCPU": ": it took more computing than one input may"}
    return name + causes.get(name, "")


@dataclass(frozen=True)
class _Limits:
    """What the system allows a child."""

    memory_bytes: int | None
    cpu_s: int | None

    def bound_memory(self) -> None:
        if self.memory_bytes is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (self.memory_bytes, self.memory_bytes))

    def bound_computing(self) -> None:
        """Gives this process `cpu_s` more seconds; then the system ends it (SIGXCPU)."""
        if self.cpu_s is not None:
            used = resource.getrusage(resource.RUSAGE_SELF)
            most = math.ceil(used.ru_utime + used.ru_stime) + self.cpu_s
            _, hard = resource.getrlimit(resource.RLIMIT_CPU)
            resource.setrlimit(resource.RLIMIT_CPU, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _serve(pipe: Connection, work: Any, level: int | None, limits: _Limits) -> None:
    """The child: answers calls until the parent closes the pipe; a `level` of None means untrusted work."""
    # Ctrl-C reaches the whole group of processes; the parent decides when this one ends
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    limits.bound_memory()
    if level is None:
        _mute()
    else:
        logging.basicConfig(level=level, format="%(name)s: %(message)s")

    def report(*content: Any) -> None:
        limits.bound_computing()
        pipe.send(("progress", content))

    with suppress(BrokenPipeError):  # the parent is gone: nobody waits for an answer
        while (call := _next_call(pipe)) is not None:
            method, arguments = call
            limits.bound_computing()
            pipe.send(_answer(getattr(work, method), (*arguments, report), untrusted=level is None))


def _mute() -> None:
    """Silences libraries, which quote values when they warn, and native decoders, which print what they like."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold the images
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    with Path(os.devnull).open("w") as nowhere:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(nowhere.fileno(), stream.fileno())
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Ends this process when its parent ends, by SIGKILL too: nobody would delete what it writes after that."""
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)


def _next_call(pipe: Connection) -> tuple[str, tuple[Any, ...]] | None:
    try:
        call: tuple[str, tuple[Any, ...]] = pipe.recv()
    except (EOFError, OSError):
        return None
    return call


def _answer(method: Callable[..., Any], arguments: tuple[Any, ...], *, untrusted: bool) -> tuple[str, Any]:
    try:
        return "result", method(*arguments)
    except MedtlError as error:
        return FAULT, str(error)
    except OSError as error:
        if machine_fault(error) is None and not untrusted:
            raise
        return _fault_of(error), _untold(error) if untrusted else system_words(error)
    # Whatever a decoder raises on damaged bytes: its message may quote the patient, its type does not.
    except Exception as error:
        if not untrusted:
            raise
        if isinstance(error, MemoryError):
            return FAULT, "needs more memory than one input may take here"
        return _fault_of(error), _untold(error)


def _fault_of(error: Exception) -> str:
    return FAULT if machine_fault(error) is None else MACHINE_FAULT


def _untold(error: Exception) -> str:
    """The reason of a failure without the message, which may quote a patient; of a full disk it is the machine's."""
    number = machine_fault(error)
    words = type(error).__name__ if number is None else f"{os.strerror(number)} on this machine"
    return f"cannot be judged ({words})"
