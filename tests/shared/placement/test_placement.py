"""Every tensor of training, extraction, judging and explanation is on the device that it should be on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.strategies import strategy_names
from tests.shared.placement.__main__ import PLANTED


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str | None]:
    """The error of each case, None where there was none; of a process of its own, where the device stays registered."""
    caches = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    own = {"XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache")), "MPLCONFIGDIR": str(caches / "matplotlib")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.shared.placement"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **own},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, str | None] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_every_strategy_extraction_and_explanation_keep_their_tensors_on_the_device(
    faults: dict[str, str | None],
) -> None:
    assert set(strategy_names()) < set(faults)
    assert {name: fault for name, fault in faults.items() if fault is not None and name != PLANTED} == {}


def test_a_tensor_that_was_left_on_the_cpu_is_found(faults: dict[str, str | None]) -> None:
    assert faults[PLANTED] == "Misplaced: aten.add.Tensor met a tensor of the CPU, of shape (2,)"
