"""Work in processes that may crash, hang or take too much, and a server that goes on."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from shared.errors import DataError
from shared.web.workers import Worker, WorkerPool, WorkFailed


@dataclass(frozen=True)
class Work:
    """What a hostile file may make a decoder do."""

    def add(self, one: int, other: int, tell: Callable[..., None]) -> int:
        tell("adding")
        return one + other

    def crash(self, tell: Callable[..., None]) -> None:
        os.abort()

    def hang(self, tell: Callable[..., None]) -> None:
        time.sleep(60)

    def fill(self, tell: Callable[..., None]) -> None:
        bytearray(4 << 30)

    def fault(self, tell: Callable[..., None]) -> None:
        raise DataError("is damaged")

    def quote(self, tell: Callable[..., None]) -> None:
        raise ValueError("Doe^Jane")


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    worker = Worker(Work(), timeout_s=20, memory_bytes=2 << 30)
    yield worker
    worker.stop()


def test_it_gives_what_the_work_gives_and_tells_what_it_tells(worker: Worker) -> None:
    told: list[str] = []
    assert worker.call("add", 1, 2, told=told.append) == 3
    assert told == ["adding"]


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("crash", "ended the process that worked on it (SIGABRT)"),
        ("fill", "needs more memory than one input may take here"),
        ("fault", "is damaged"),
        ("quote", "cannot be judged (ValueError)"),
    ],
)
def test_what_goes_wrong_is_told_without_values_and_the_next_work_is_done(
    worker: Worker, method: str, reason: str
) -> None:
    with pytest.raises(WorkFailed) as failed:
        worker.call(method)
    assert str(failed.value) == reason
    assert worker.call("add", 1, 2) == 3


@dataclass(frozen=True)
class OtherWork:
    """What stands in the place of `Work`."""

    def add(self, one: int, other: int, tell: Callable[..., None]) -> tuple[int, int]:
        return one + other, os.getpid()


def test_renewed_it_does_other_work_in_a_new_process() -> None:
    worker = Worker(OtherWork(), timeout_s=20)
    first = worker.call("add", 1, 2)[1]
    worker.renew(OtherWork())
    second = worker.call("add", 1, 2)[1]
    assert first != second == worker.call("add", 1, 2)[1]
    worker.renew(Work())
    assert worker.call("add", 1, 2) == 3
    worker.stop()


def test_what_hangs_is_given_up() -> None:
    worker = Worker(Work(), timeout_s=20)
    worker.call("add", 1, 2)
    worker._timeout_s = 0.2
    with pytest.raises(WorkFailed, match=r"took more than 0\.2 s"):
        worker.call("hang")
    worker.stop()


def test_a_pool_does_other_work_while_one_hangs_and_ends_it_when_it_is_closed() -> None:
    async def together() -> None:
        pool = WorkerPool(Work(), 2, timeout_s=50)
        hanging = asyncio.create_task(pool.call("hang"))
        assert [await pool.call("add", number, 1) for number in range(3)] == [1, 2, 3]
        pool.close()
        with pytest.raises(WorkFailed, match="ended the process"):
            await hanging

    begun = time.monotonic()
    asyncio.run(together())
    assert time.monotonic() - begun < 40
