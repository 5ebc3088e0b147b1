from __future__ import annotations

import subprocess
import sys

import pytest

IDLE = """
import os, time
from shared.processes.threads import let_idle_threads_sleep
let_idle_threads_sleep()
import numpy as np
matrix = np.ones((1500, 1500), dtype=np.float32)
matrix @ matrix
busy = time.process_time()
time.sleep(0.02)
print(os.environ["OPENBLAS_THREAD_TIMEOUT"], time.process_time() - busy)
"""


def _said() -> list[str]:
    return subprocess.run([sys.executable, "-c", IDLE], check=True, capture_output=True, text=True).stdout.split()


def test_threads_of_numpy_sleep_while_they_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENBLAS_THREAD_TIMEOUT", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    wait, busy = _said()
    assert wait == "4"
    assert float(busy) < 0.01


def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_THREAD_TIMEOUT", "12")
    assert _said()[0] == "12"
