"""Work in processes that may crash, hang or take too much, while the parent goes on."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from shared.errors import DataError
from shared.processes.worker import Worker, WorkFailed, describe_exit

FUNCTIONS = """
import logging, os, signal
from shared.errors import DataError

def add(one, two, progress):
    progress("adding", 1, 2, "half")
    return one + two, os.getpid()

def refuse(progress):
    raise DataError("no such number")

def crash(progress):
    os.kill(os.getpid(), signal.SIGSEGV)

def leave(progress):
    os._exit(7)

def fail(progress):
    raise FileNotFoundError("weights.bin")

def speak(progress):
    logging.getLogger("work").warning("heard")

def wait(marker, progress):
    import time
    from pathlib import Path
    progress("waiting", 0, 1, "")
    time.sleep(60)
    Path(marker).touch()
"""


@dataclass(frozen=True)
class Work:
    """What a hostile file may make a decoder do."""

    def add(self, one: int, other: int, report: Callable[..., None]) -> int:
        report("adding")
        return one + other

    def crash(self, report: Callable[..., None]) -> None:
        os.abort()

    def hang(self, report: Callable[..., None]) -> None:
        time.sleep(60)

    def compute(self, items: int, report: Callable[..., None]) -> int:
        for _ in range(items):
            begun = time.process_time()
            while time.process_time() - begun < 1.2:
                sum(range(1000))
            report("one more")
        return items

    def compute_on(self, report: Callable[..., None]) -> None:
        while True:
            sum(range(1000))

    def fill(self, report: Callable[..., None]) -> None:
        bytearray(4 << 30)

    def fault(self, report: Callable[..., None]) -> None:
        raise DataError("is damaged")

    def quote(self, report: Callable[..., None]) -> None:
        raise ValueError("Doe^Jane")

    def speak(self, report: Callable[..., None]) -> None:
        import logging
        import warnings

        os.write(1, b"Doe^Jane")
        os.write(2, b"Doe^Jane")
        logging.getLogger("work").error("Doe^Jane")
        warnings.warn("Doe^Jane", stacklevel=1)


@dataclass(frozen=True)
class OtherWork:
    """What replaces `Work`."""

    def add(self, one: int, other: int, report: Callable[..., None]) -> tuple[int, int]:
        return one + other, os.getpid()


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    worker = Worker(Work(), timeout_s=20, memory_bytes=2 << 30)
    yield worker
    worker.stop()


@pytest.fixture
def functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module that a new process can import too."""
    (tmp_path / "work_of_a_child.py").write_text(FUNCTIONS, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return import_module("work_of_a_child")


def test_a_call_returns_the_result_and_reports_progress(worker: Worker) -> None:
    reported: list[str] = []
    assert worker.call("add", 1, 2, progress=reported.append) == 3
    assert reported == ["adding"]


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("crash", "ended the process that worked on it (SIGABRT)"),
        ("fill", "needs more memory than one input may take here"),
        ("fault", "is damaged"),
        ("quote", "cannot be judged (ValueError)"),
    ],
)
def test_a_failure_is_reported_without_values_and_the_next_call_succeeds(
    worker: Worker, method: str, reason: str
) -> None:
    with pytest.raises(WorkFailed) as failed:
        worker.call(method)
    assert str(failed.value) == reason
    assert worker.call("add", 1, 2) == 3


def test_untrusted_work_is_silent(worker: Worker, capfd: pytest.CaptureFixture[str]) -> None:
    worker.call("speak")
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


def test_an_error_of_the_progress_function_is_raised_and_the_next_call_gets_its_own_answer() -> None:
    def full(*_: object) -> None:
        raise OSError("the disk is full")

    worker = Worker(Work(), timeout_s=20)
    try:
        with pytest.raises(OSError, match="the disk is full"):
            worker.call("add", 1, 2, progress=full)
        assert worker.call("add", 3, 4) == 7
    finally:
        worker.stop()


def test_renewed_it_does_other_work_in_a_new_process() -> None:
    worker = Worker(OtherWork(), timeout_s=20)
    first = worker.call("add", 1, 2)[1]
    worker.renew(OtherWork())
    second = worker.call("add", 1, 2)[1]
    assert first != second == worker.call("add", 1, 2)[1]
    worker.renew(Work())
    assert worker.call("add", 1, 2) == 3
    worker.stop()


def test_a_call_that_hangs_is_given_up() -> None:
    worker = Worker(Work(), timeout_s=20)
    worker.call("add", 1, 2)
    worker._timeout_s = 0.2
    begun = time.monotonic()
    with pytest.raises(WorkFailed, match=r"took more than 0\.2 s"):
        worker.call("hang")
    assert time.monotonic() - begun < 10
    worker.stop()


def test_computing_is_bounded_for_each_item() -> None:
    worker = Worker(Work(), timeout_s=120, cpu_s=2)
    try:
        assert worker.call("compute", 3) == 3
        with pytest.raises(WorkFailed, match=r"ended the process .*\(SIGXCPU: it took more computing"):
            worker.call("compute_on")
        assert worker.call("add", 1, 2) == 3
    finally:
        worker.stop()


def _trusted(work: Callable[..., Any], *arguments: Any, progress: Callable[..., None] = lambda *_: None) -> Any:
    worker = Worker(work, untrusted=False)
    try:
        return worker.call("__call__", *arguments, progress=progress)
    finally:
        worker.close()


def test_a_function_returns_its_result_and_progress_from_another_process(functions: ModuleType) -> None:
    reported: list[tuple[str, int, int, str]] = []
    total, process = _trusted(functions.add, 2, 3, progress=lambda *one: reported.append(one))
    assert total == 5
    assert process != os.getpid()
    assert reported == [("adding", 1, 2, "half")]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("refuse", "^no such number$"),
        ("crash", "^the process ended early: SIGSEGV$"),
        ("leave", "^the process ended early: exit code 7; its last messages are on standard error$"),
        ("fail", "^the process ended early: exit code 1; its last messages are on standard error$"),
    ],
)
def test_the_end_of_the_child_is_an_error_with_its_reason(functions: ModuleType, name: str, reason: str) -> None:
    with pytest.raises(WorkFailed, match=reason):
        _trusted(getattr(functions, name))


def test_trusted_work_logs_and_leaves_its_traceback(functions: ModuleType, capfd: pytest.CaptureFixture[str]) -> None:
    _trusted(functions.speak)
    assert capfd.readouterr().err == "work: heard\n"
    with pytest.raises(WorkFailed):
        _trusted(functions.fail)
    assert "FileNotFoundError: weights.bin" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "exit code 0"),
        (-6, "SIGABRT"),
        (-9, "SIGKILL, as when memory runs out"),
        (-40, "signal 40"),
        (None, "not yet"),
    ],
)
def test_an_exit_code_is_described_in_words(code: int | None, words: str) -> None:
    assert describe_exit(code) == words


def test_an_interrupt_ends_the_child_and_is_raised(functions: ModuleType, tmp_path: Path) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        _trusted(functions.wait, str(tmp_path / "marker"), progress=interrupt)
    assert time.monotonic() - begun < 30
    assert not (tmp_path / "marker").exists()
