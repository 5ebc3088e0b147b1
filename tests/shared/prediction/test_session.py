"""Networks run on the provider that is asked for, or not at all; in batches, on all their threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from shared.errors import DataError, UsageError
from shared.prediction import session
from shared.prediction.session import AT_ONCE, BATCH, open_session, run
from shared.task import Image


class WithoutDevice:
    """An ONNX Runtime session on a machine without a GPU: it goes on with the processor."""

    def __init__(self, *_: Any, providers: list[str], **__: Any) -> None:
        assert providers == ["CUDAExecutionProvider", "CPUExecutionProvider"]

    def get_providers(self) -> list[str]:
        return ["CPUExecutionProvider"]


def test_provider_that_cannot_start_is_not_replaced_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = session.onnxruntime
    monkeypatch.setattr(runtime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"])
    monkeypatch.setattr(runtime, "InferenceSession", WithoutDevice)
    with pytest.raises(UsageError, match="cannot start cuda"):
        open_session(Path("model.onnx"), provider="cuda")


class Doubling:
    """An ONNX Runtime session whose network doubles images; so many batches must be under way at a time."""

    def __init__(self, threads: int, at_once: int | None = None, provider: str = "cpu") -> None:
        self.threads, self.provider, self.batches = threads, provider, list[int]()
        self.together, self.counted = threading.Barrier(at_once or threads or 1), threading.Lock()
        self.now, self.most = 0, 0

    def get_providers(self) -> list[str]:
        return [session.PROVIDERS[self.provider]]

    def get_session_options(self) -> SimpleNamespace:
        return SimpleNamespace(intra_op_num_threads=self.threads)

    def run(self, names: list[str], feed: dict[str, Any]) -> list[Any]:
        self.batches.append(len(feed["images"]))
        with self.counted:
            self.now += 1
            self.most = max(self.most, self.now)
        self.together.wait(20)
        with self.counted:
            self.now -= 1
        return [2 * feed["images"] for _ in names]


def numbered(count: int) -> Iterator[Image]:
    return (np.full((1, 2, 2), number, np.float32) for number in range(count))


@pytest.mark.parametrize("threads", [1, 2])
def test_outputs_come_in_order_from_as_many_batches_at_a_time_as_there_are_threads(threads: int) -> None:
    doubling = Doubling(threads)
    (found,) = run(doubling, ["images"], numbered(3 * BATCH + 1))
    assert found[:, 0, 0, 0].tolist() == [2 * number for number in range(3 * BATCH + 1)]
    assert sorted(doubling.batches) == [1, BATCH, BATCH, BATCH]


@pytest.mark.parametrize(("provider", "at_once"), [("cpu", AT_ONCE), ("cuda", 1)])
def test_many_threads_get_a_few_batches_at_a_time_and_a_device_one(provider: str, at_once: int) -> None:
    doubling = Doubling(64, at_once, provider)
    (found,) = run(doubling, ["images"], numbered(2 * AT_ONCE * BATCH))
    assert found[:, 0, 0, 0].tolist() == [2 * number for number in range(2 * AT_ONCE * BATCH)]
    assert doubling.most == at_once


def test_a_session_that_chooses_its_threads_itself_gets_all_batches() -> None:
    (found,) = run(Doubling(0), ["images"], numbered(BATCH + 1))
    assert found[:, 0, 0, 0].tolist() == [2 * number for number in range(BATCH + 1)]


def test_where_an_image_cannot_be_made_the_batches_that_wait_are_dropped() -> None:
    doubling = Doubling(2)
    doubling.together = threading.Barrier(3)  # which is never passed, but broken

    def broken() -> Iterator[Image]:
        yield from numbered(6 * BATCH)
        threading.Timer(0.2, doubling.together.abort).start()
        raise DataError("is damaged")

    with pytest.raises(DataError, match="is damaged"):
        run(doubling, ["images"], broken())
    assert len(doubling.batches) <= 2
