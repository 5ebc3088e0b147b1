"""A pool of worker processes, and a server that goes on while one of them hangs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from shared.processes.worker import WorkFailed
from shared.web.workers import WorkerPool


@dataclass(frozen=True)
class Work:
    """Quick and endless work."""

    def add(self, one: int, other: int, report: Callable[..., None]) -> int:
        report("adding")
        return one + other

    def hang(self, report: Callable[..., None]) -> None:
        time.sleep(60)


def test_a_pool_does_other_work_while_one_hangs_and_ends_it_when_it_is_closed() -> None:
    async def together() -> None:
        pool = WorkerPool(Work(), 2, timeout_s=50)
        hanging = asyncio.create_task(pool.call("hang"))
        reported: list[str] = []
        assert [await pool.call("add", number, 1, progress=reported.append) for number in range(3)] == [1, 2, 3]
        assert reported == ["adding"] * 3
        pool.close()
        with pytest.raises(WorkFailed, match="ended the process"):
            await hanging

    begun = time.monotonic()
    asyncio.run(together())
    assert time.monotonic() - begun < 40
