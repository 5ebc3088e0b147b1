"""The boundary around decoders of foreign bytes: what they raise, log or take stays inside, and becomes one line."""

from __future__ import annotations

import math
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from shared.errors import MedtlError
from shared.io.quiet import quiet_loggers

DECODE_CPU_S = 120.0
"""Seconds of computing after which a file is given up: several times what the largest one takes."""
AGAIN_S = 1.0
"""Seconds after which a decoder that went on is interrupted again."""
STUCK_CPU_S = 60
"""Further seconds of computing for a decoder to return to Python; then the system ends this process."""
ASKED_AGAIN_S = 1.0
"""Seconds after which the system is asked again what this process has computed. The answer slows down what follows by a
fifth of the time that a header takes; being old, it only lets the system end the process some seconds sooner."""

_asked, _computed = -math.inf, 0.0
_bounded = False
"""Whether a bound of computing holds in the main thread; a boundary within another one has none of its own."""


class _TooLong(BaseException):
    """Raised in a decoder that computes too long; no broad `except Exception` of a library stops it."""


@contextmanager
def contained(refusal: Callable[[str], MedtlError], *loggers: str) -> Iterator[None]:
    """Contains decoders of foreign files: their warnings and logs stay inside, their faults become refusals.

    In the main thread, what computes longer than `DECODE_CPU_S` is given up as soon as it returns to Python. Nothing in
    this process can end a decoder in C that does not return: after `STUCK_CPU_S` more the system ends the process
    (SIGXCPU), without a core file, which would hold the images.

    Args:
        refusal: Makes the error from the rest of a sentence whose subject is the file ("is damaged ...").
        loggers: Names of loggers that quote damaged values, which are silent meanwhile.

    Raises:
        MedtlError: Anything was raised inside; the message names its type, never its text. One that the block raises
            itself passes as it is.
    """
    with quiet_loggers(*loggers):
        try:
            with _computing_bounded():
                yield
        except MedtlError:
            raise
        except _TooLong:
            raise refusal(f"takes more than {DECODE_CPU_S:g} s of computing, as no image does") from None
        except MemoryError:
            raise refusal("needs more memory than there is") from None
        # The one broad catch of the readers. pydicom, nibabel, Pillow and the codecs raise nearly every kind on damaged
        # bytes (AttributeError, KeyError, struct.error, RecursionError ...); their messages may quote a patient.
        except Exception as error:
            raise refusal(f"is damaged and cannot be decoded ({type(error).__name__})") from None


@contextmanager
def _computing_bounded() -> Iterator[None]:
    global _bounded
    if _bounded or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGVTALRM, _give_up)
    most = math.ceil(_computed_s() + DECODE_CPU_S) + STUCK_CPU_S
    _bounded = True
    try:
        with _at_most(resource.RLIMIT_CPU, most), _at_most(resource.RLIMIT_CORE, 0):
            signal.setitimer(signal.ITIMER_VIRTUAL, DECODE_CPU_S, AGAIN_S)
            try:
                yield
            finally:
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    finally:
        _bounded = False
        signal.signal(signal.SIGVTALRM, before)


def _computed_s() -> float:
    """Seconds that this process has computed, as they were up to `ASKED_AGAIN_S` before."""
    global _asked, _computed
    now = time.monotonic()
    if now >= _asked + ASKED_AGAIN_S:
        _asked, _computed = now, time.process_time()
    return _computed


@contextmanager
def _at_most(kind: int, most: int) -> Iterator[None]:
    """Lowers a limit of this process while the body runs; a lower one stays."""
    soft, hard = resource.getrlimit(kind)
    allowed = [most, *(one for one in (soft, hard) if one != resource.RLIM_INFINITY)]
    resource.setrlimit(kind, (min(allowed), hard))
    try:
        yield
    finally:
        resource.setrlimit(kind, (soft, hard))


def _give_up(*_: Any) -> None:
    raise _TooLong
