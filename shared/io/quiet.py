"""Silences libraries that write about what they read: their messages may quote a patient."""

from __future__ import annotations

import logging
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

STANDARD_ERROR = 2

_SWITCHING = threading.RLock()
"""There is one standard error for all threads: only one thread at a time may redirect it."""
_MUTING = threading.Lock()
_muted: dict[str, tuple[int, int]] = {}
"""By logger, how many callers silence it now, and its level before: the last caller to leave restores the level."""


@contextmanager
def suppressed_native_stderr() -> Iterator[None]:
    """Discards what libtiff, GDCM and other codecs write to standard error while they decode an untrusted file.

    Their messages are for programmers, may quote the file, and repeat a refusal that is one line here. What another
    thread writes meanwhile is lost too, so keep this around the decoding and nothing else.
    """
    with _SWITCHING:
        try:
            kept = os.dup(STANDARD_ERROR)
        except OSError:  # it is closed, as under some services
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


@contextmanager
def quiet_loggers(*names: str) -> Iterator[None]:
    """Silences Python's warnings and some loggers while a `with` block runs; in any number of threads.

    Args:
        names: Names of the loggers; those below them are silenced too.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in names:
            _mute(name)
        try:
            yield
        finally:
            for name in names:
                _unmute(name)


def _mute(name: str) -> None:
    logger = logging.getLogger(name)
    with _MUTING:
        count, level = _muted.get(name, (0, logger.level))
        _muted[name] = count + 1, level
        if not count:  # a change of level costs more than all the rest, as it empties the caches of all loggers
            logger.setLevel(logging.CRITICAL + 1)


def _unmute(name: str) -> None:
    with _MUTING:
        count, level = _muted.pop(name)
        if count > 1:
            _muted[name] = count - 1, level
        else:
            logging.getLogger(name).setLevel(level)
