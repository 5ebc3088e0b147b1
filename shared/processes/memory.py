"""Memory and cores of a process: its peak, what it can have, and whether what is freed is kept for the next step."""

from __future__ import annotations

import atexit
import ctypes
import gc
import os
import resource
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"
"""What sets the peak of a process to what it holds now, written to `CLEAR`. Source: proc_pid_clear_refs(5)."""
MEMINFO, CGROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup/memory.max")
TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD, MMAP_MAX = -1, -2, -3, -4
"""Numbers of parameters of glibc's `mallopt`. Source: malloc.h."""
KEPT = {MMAP_MAX: 0, TRIM_THRESHOLD: 2**31 - 1, TOP_PAD: 1 << 26}
"""What keeps freed memory; the heap grows by 64 MiB beyond what is asked for."""
RETURNED = {MMAP_MAX: 1 << 16, MMAP_THRESHOLD: 1 << 25, TRIM_THRESHOLD: 1 << 26, TOP_PAD: 1 << 17}
"""What glibc itself comes to in a process that frees large blocks. Source: mallopt(3), M_MMAP_THRESHOLD."""


def keep_freed_memory() -> None:
    """Makes the C library keep freed memory in place of returning it to the system; without glibc it does nothing.

    A training step frees and takes the same gigabyte of activations. Returned and taken again, it is cleared by the
    system page by page, which costs a fifth of a step on a CPU (docs/lab-log.md, "Memory that training keeps").
    """
    _set(KEPT)


def return_freed_memory() -> None:
    """Makes the C library return freed memory again, and returns what it has kept; without glibc it does nothing.

    After a training, blocks of other sizes find no place in what is kept, and the process grows.
    """
    _set(RETURNED)
    _trim()


def _set(parameters: Mapping[int, int]) -> None:
    """Sets parameters of glibc's heap, where it is glibc's."""
    with suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        for number, value in parameters.items():
            mallopt(number, value)


def _trim() -> None:
    """Gives freed memory back to the system, where the C library is glibc."""
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def begin_peak() -> None:
    """Gives freed memory back to the system and starts the peak of this process anew, where the system can do that."""
    gc.collect()
    _trim()
    with suppress(OSError):
        CLEAR.write_text(RESET_PEAK, encoding="ascii")


def spare_what_stays() -> None:
    """Leaves what is there now out of later garbage collections, each of which looks through all modules for 0.2 s.

    Call it after a collection (`begin_peak`): garbage that is there would stay too.
    """
    gc.freeze()
    atexit.unregister(gc.unfreeze)
    atexit.register(gc.unfreeze)  # libraries complain at the end of what was not freed


def cores() -> int:
    """Returns the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available_bytes() -> int:
    """Returns the memory that programs can still take, within the limit of the container where there is one."""
    try:
        lines = MEMINFO.read_text(encoding="ascii").splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):  # "max" where there is no limit
        free = min(free, int(CGROUP.read_text(encoding="ascii")))
    return free


def peak_memory_mib() -> float:
    """Returns the peak resident memory of this process since its start or `begin_peak`, in MiB.

    On Linux it is read from `/proc`, because the figure of `getrusage` begins at the peak of the process that started
    this one.
    """
    try:
        lines = STATUS.read_text(encoding="ascii").splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 1024
