"""Threads of libraries that wait."""

from __future__ import annotations

import os

WAIT = "OPENBLAS_THREAD_TIMEOUT"
SHORTEST = "4"
"""Two to this power is the number of processor cycles that a thread waits busily."""


def let_idle_threads_sleep() -> None:
    """Makes the threads of NumPy's matrix products sleep as soon as they have nothing to do.

    They else keep a core busy for some hundredth of a second after each product, which doubled the processor time of a
    slice. It takes effect where NumPy was not imported before; what the user has set stays.
    """
    os.environ.setdefault(WAIT, SHORTEST)
