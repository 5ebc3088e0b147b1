from __future__ import annotations

import logging
import os
import subprocess
import sys

import pytest

from shared.io.quiet import quiet_loggers, suppressed_native_stderr


def test_what_is_written_past_python_is_not_seen(capfd: pytest.CaptureFixture[str]) -> None:
    with suppressed_native_stderr(), suppressed_native_stderr():
        os.write(2, b"inside")
    os.write(2, b"afterwards")
    assert capfd.readouterr().err == "afterwards"


def test_standard_error_comes_back_after_a_fault(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError), suppressed_native_stderr():
        raise KeyError
    os.write(2, b"afterwards")
    assert capfd.readouterr().err == "afterwards"


def test_closed_standard_error_is_no_fault() -> None:
    program = (
        "import os; os.close(2)\n"
        "from shared.io.quiet import suppressed_native_stderr\n"
        "with suppressed_native_stderr(): print('ran')"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert result.stdout.strip() == b"ran"


def test_loggers_are_quiet_with_those_below_them_and_speak_again(caplog: pytest.LogCaptureFixture) -> None:
    below = logging.getLogger("talkative.below")
    first, second = quiet_loggers("talkative"), quiet_loggers("talkative")
    first.__enter__()
    second.__enter__()
    below.error("one")
    first.__exit__(None, None, None)  # as where two threads leave in the order in which they came
    below.error("two")
    second.__exit__(None, None, None)
    below.error("three")
    assert [record.message for record in caplog.records] == ["three"]
    assert logging.getLogger("talkative").level == logging.NOTSET
