from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from shared.processes.child import SubprocessFailed, describe_exit, run_in_subprocess

WORK = """
import os, signal
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

def wait(marker, progress):
    import time
    from pathlib import Path
    progress("waiting", 0, 1, "")
    time.sleep(60)
    Path(marker).touch()
"""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module that a new process can import too."""
    (tmp_path / "work_of_a_child.py").write_text(WORK, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return import_module("work_of_a_child")


def test_the_result_and_the_progress_come_from_another_process(work: ModuleType) -> None:
    import os

    told: list[tuple[str, int, int, str]] = []
    total, process = run_in_subprocess(work.add, 2, 3, progress=lambda *said: told.append(said))
    assert total == 5
    assert process != os.getpid()
    assert told == [("adding", 1, 2, "half")]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("refuse", "^no such number$"),
        ("crash", "ended early: SIGSEGV"),
        ("leave", "ended early: exit code 7; what it said"),
    ],
)
def test_what_ends_the_child_is_a_reason_and_nothing_more(work: ModuleType, name: str, said: str) -> None:
    with pytest.raises(SubprocessFailed, match=said):
        run_in_subprocess(getattr(work, name))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "exit code 0"),
        (-6, "SIGABRT"),
        (-9, "SIGKILL, as where memory runs out"),
        (-40, "signal 40"),
        (None, "not yet"),
    ],
)
def test_how_a_process_ended_is_told_in_words(code: int | None, words: str) -> None:
    assert describe_exit(code) == words


def test_an_interrupt_ends_the_child_and_goes_on(work: ModuleType, tmp_path: Path) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    stopped: Callable[..., None] = interrupt
    with pytest.raises(KeyboardInterrupt):
        run_in_subprocess(work.wait, str(tmp_path / "marker"), progress=stopped)
    assert not (tmp_path / "marker").exists()
