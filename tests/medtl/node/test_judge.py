from __future__ import annotations

from pathlib import Path

import pytest

from medtl.node.judge import SeriesJudge, write_results
from medtl.node.listener import Listener, ListenerSettings
from medtl.node.spool import Spool
from shared.errors import InputRefused
from shared.processes.worker import ITEM_CPU_S, MEMORY_BYTES


def test_no_result_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="gave no result"):
        write_results([], tmp_path)


def test_memory_and_computing_of_a_series_are_bounded(tmp_path: Path) -> None:
    listener = Listener(Spool(tmp_path / "spool"), SeriesJudge(tmp_path), ListenerSettings(11112))
    limits = listener._worker._limits
    assert (limits.memory_bytes, limits.cpu_s) == (MEMORY_BYTES, ITEM_CPU_S)
