from __future__ import annotations

import ctypes
import gc
import subprocess
import sys
from pathlib import Path

import pytest

from shared.processes import memory as peak_memory
from shared.processes.memory import peak_memory_mib, spare_what_stays

CODE = "from shared.processes.memory import peak_memory_mib; {}; print(peak_memory_mib())"


def _peak_after(code: str) -> float:
    return float(subprocess.run([sys.executable, "-c", CODE.format(code)], capture_output=True, text=True).stdout)


def test_it_grows_by_what_was_held_and_does_not_shrink() -> None:
    without, held = _peak_after("pass"), _peak_after("block = b'x' * (200 << 20); del block")
    assert held - without == pytest.approx(200, abs=20)


def test_a_child_does_not_begin_at_the_peak_of_its_parent() -> None:
    block = b"x" * (300 << 20)
    assert _peak_after("pass") < len(block) >> 20


def test_without_proc_the_systems_own_figure_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = peak_memory_mib()
    monkeypatch.setattr(peak_memory, "STATUS", Path("nowhere"))
    assert peak_memory_mib() >= 0.9 * exact


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library has no mallopt")
def test_what_is_freed_is_taken_again_without_the_system_until_it_is_returned() -> None:
    code = (
        "import resource; from shared.processes.memory import keep_freed_memory, return_freed_memory; {}\n"
        "def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "held = b'x' * (64 << 20); del held; before = faults()\n"
        "for _ in range(5): held = b'x' * (64 << 20); del held\n"
        "print(faults() - before)"
    )
    usual, kept, returned = (
        int(subprocess.run([sys.executable, "-c", code.format(call)], capture_output=True, text=True).stdout)
        for call in ("pass", "keep_freed_memory()", "keep_freed_memory(); return_freed_memory()")
    )
    assert min(usual, returned) > 10 * max(kept, 10)  # huge pages make these numbers small


def test_what_is_there_is_spared_by_the_collector() -> None:
    spare_what_stays()
    try:
        assert gc.get_freeze_count() > 1000
    finally:
        gc.unfreeze()
