"""Keeping C libraries from writing to standard error past Python."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

STANDARD_ERROR = 2

_SWITCHING = threading.RLock()
"""There is one standard error for all threads: only one of them at a time may turn it away."""


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Sends nowhere what libtiff, GDCM and other codecs write to standard error while they decode bytes of a stranger.

    Their words are for programmers, may quote the file, and come beside a refusal that says the same in one line. What
    another thread writes meanwhile is lost too: keep this around the decoding and nothing else.
    """
    with _SWITCHING:
        try:
            kept = os.dup(STANDARD_ERROR)
        except OSError:  # it is closed, as under some services: nobody hears them
            yield
            return
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, STANDARD_ERROR)
            os.close(nowhere)
            yield
        finally:
            os.dup2(kept, STANDARD_ERROR)
            os.close(kept)
