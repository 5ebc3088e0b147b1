from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.errors import DataError
from shared.processes.jobs import WarmProcesses, WorkItem
from shared.processes.memory import available_bytes, begin_peak, peak_memory_mib
from shared.processes.worker import WorkFailed


def name_process(number: int, report: Any) -> tuple[int, int]:
    """The process that the work is done in; one number is refused, and one ends the process."""
    report("counting", 1, 2, "")
    if number == 1:
        raise DataError("no such letter")
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number, os.getpid()


def note(file: str, number: int, _: Any) -> None:
    """Writes down when the work begins and ends."""
    with Path(file).open("a", encoding="ascii") as stream:
        stream.write(f"begun {number}, ")
        stream.flush()
        time.sleep(0.05)
        stream.write(f"ended {number}, ")


def wait(marker: str, _: Any) -> None:
    """Writes a file after a time in which an interrupt comes."""
    time.sleep(60)
    Path(marker).touch()


def _items(count: int) -> list[WorkItem]:
    return [WorkItem(f"item {number}", name_process, (number,), gpu=False) for number in range(count)]


def test_items_share_a_process_and_neither_an_error_nor_its_end_stops_the_others() -> None:
    reported: list[tuple[Any, ...]] = []
    with WarmProcesses(1) as here:
        _, first = here.call(name_process, 0)
        found = dict(here.run(_items(5), lambda *one: reported.append(one)))
    assert found[0] == (0, first), "the process of the call before was used"
    assert isinstance(found[1], WorkFailed)
    assert str(found[1]) == "no such letter"
    assert "SIGKILL" in str(found[2])
    replaced = {found[3][1], found[4][1]}
    assert len(replaced) == 1
    assert replaced != {first}
    assert ("items", 3, 5, "item 3: counting 1/2") in reported


def test_items_of_a_line_wait_for_each_other_in_their_order(tmp_path: Path) -> None:
    items = [
        WorkItem(f"{number}", note, (str(tmp_path / "noted"), number), gpu=False, line="one") for number in range(3)
    ]
    with WarmProcesses(2) as here:
        list(here.run(items, lambda *_: None))
    assert (tmp_path / "noted").read_text() == "begun 0, ended 0, begun 1, ended 1, begun 2, ended 2, "


def test_an_interrupt_ends_the_processes(tmp_path: Path) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    marker, begun = tmp_path / "marker", time.monotonic()
    with WarmProcesses(2) as here, pytest.raises(KeyboardInterrupt):
        list(here.run([WorkItem("waits", wait, (str(marker),), gpu=False)] * 3, interrupt))
    assert time.monotonic() - begun < 50
    assert not marker.exists()


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak begins anew on Linux alone")
def test_the_peak_of_an_item_does_not_hold_that_of_the_one_before() -> None:
    before = np.ones(1 << 27, dtype=np.uint8)
    high = peak_memory_mib()
    del before
    begin_peak()
    assert peak_memory_mib() < high - 100
    assert available_bytes() > 1 << 20
