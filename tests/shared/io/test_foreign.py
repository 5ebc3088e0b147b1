"""The boundary around decoders of foreign bytes."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from shared.errors import DataError, InputRefused
from shared.io import foreign
from shared.io.foreign import contained


def test_what_a_decoder_raises_becomes_one_line_without_its_text() -> None:
    for error, words in (
        (ValueError("Doe^Jane"), "is damaged and cannot be decoded (ValueError)"),
        (RecursionError("Doe^Jane"), "is damaged and cannot be decoded (RecursionError)"),
        (MemoryError("Doe^Jane"), "needs more memory than there is"),
    ):
        with pytest.raises(DataError) as raised, contained(DataError):
            raise error
        assert str(raised.value) == words
    with pytest.raises(InputRefused, match="own words"), contained(DataError):
        raise InputRefused("own words")


def test_what_computes_too_long_is_given_up_even_where_a_library_catches_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "DECODE_CPU_S", 0.2)
    with pytest.raises(DataError, match=r"takes more than 0\.2 s of computing"), contained(DataError):
        while True:
            with suppress(Exception):
                sum(range(1000))
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGVTALRM) == signal.SIG_DFL


STUCK = """
import itertools
from shared.errors import DataError
from shared.io import foreign

foreign.DECODE_CPU_S, foreign.STUCK_CPU_S = 0.1, 1
with foreign.contained(DataError):
    sum(itertools.repeat(0))  # in C, without end
"""


def test_a_native_call_that_does_not_return_is_ended_by_the_system() -> None:
    before = [resource.getrlimit(kind) for kind in (resource.RLIMIT_CPU, resource.RLIMIT_CORE)]
    with contained(DataError):
        assert resource.getrlimit(resource.RLIMIT_CORE)[0] == 0
    assert [resource.getrlimit(kind) for kind in (resource.RLIMIT_CPU, resource.RLIMIT_CORE)] == before
    ended = subprocess.run([sys.executable, "-c", STUCK], capture_output=True, check=False)
    assert ended.returncode == -signal.SIGXCPU
