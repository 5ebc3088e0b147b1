from __future__ import annotations

import os
import subprocess
import sys

import pytest

from shared.quiet import quiet_libraries


def test_what_is_written_past_python_is_not_seen(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet_libraries(), quiet_libraries():
        os.write(2, b"inside")
    os.write(2, b"afterwards")
    assert capfd.readouterr().err == "afterwards"


def test_standard_error_comes_back_after_a_fault(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError), quiet_libraries():
        raise KeyError
    os.write(2, b"afterwards")
    assert capfd.readouterr().err == "afterwards"


def test_closed_standard_error_is_no_fault() -> None:
    program = "import os; os.close(2)\nfrom shared.quiet import quiet_libraries\nwith quiet_libraries(): print('ran')"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert result.stdout.strip() == b"ran"
