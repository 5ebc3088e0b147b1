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
        report("hanging")
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


def test_a_cancelled_call_ends_its_process_and_one_that_waits_is_never_made() -> None:
    async def cancelled() -> None:
        pool = WorkerPool(Work(), 1, timeout_s=50)
        running = asyncio.Event()
        loop = asyncio.get_running_loop()
        hanging = asyncio.create_task(pool.call("hang", progress=lambda _: loop.call_soon_threadsafe(running.set)))
        waiting = asyncio.create_task(pool.call("hang"))
        await running.wait()
        for call in (waiting, hanging):
            call.cancel()
        assert await pool.call("add", 1, 2) == 3
        assert hanging.cancelled()
        assert waiting.cancelled()
        pool.close()

    begun = time.monotonic()
    asyncio.run(cancelled())
    assert time.monotonic() - begun < 40
