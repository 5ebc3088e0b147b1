"""Memory of a process: its peak, and that what is freed is kept for the next step."""

from __future__ import annotations

import ctypes
import resource
import sys
from pathlib import Path

STATUS = Path("/proc/self/status")
TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4
"""Numbers of parameters of glibc's `mallopt`. Source: malloc.h."""
PAD_BYTES = 1 << 26
"""Bytes by which the heap grows beyond what is asked for."""


def keep_freed_memory() -> None:
    """Makes the C library keep freed memory in place of returning it to the system; without glibc it does nothing.

    A training step frees and takes the same gigabyte of activations. Returned and taken again, it is cleared by the
    system page by page, which costs a fifth of a step on a CPU (docs/lab-log.md, "Memory that training keeps").
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(MMAP_MAX, 0)
    mallopt(TRIM_THRESHOLD, 2**31 - 1)
    mallopt(TOP_PAD, PAD_BYTES)


def peak_memory_mib() -> float:
    """Returns the peak resident memory of this process so far, in MiB.

    It is that of one piece of work only where the process did nothing else. On Linux it is read from `/proc`, because
    the figure of `getrusage` begins at the peak of the process that started this one.
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
