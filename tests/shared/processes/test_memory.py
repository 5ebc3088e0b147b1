from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from shared.processes import memory as peak_memory
from shared.processes.memory import peak_memory_mib

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
