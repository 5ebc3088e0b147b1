from __future__ import annotations

import sys

import pytest

from shared.progress import LINE_SECONDS, Lines, progress_bars


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_log_file_gets_a_line_at_the_beginning_now_and_then_and_at_the_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = Clock()
    lines = Lines(clock)
    for done in range(101):
        lines("training", done, 100, f"loss {done}")
        clock.now += LINE_SECONDS / 10
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "training: 0/100, loss 0"
    assert lines[1].startswith(f"training: 10/100, {600 / LINE_SECONDS:.1f}/min, {9 * LINE_SECONDS:.0f} s left")
    assert lines[-1].startswith("training: 100/100")
    assert len(lines) == 11


def test_what_takes_a_minute_each_is_told_by_the_minute(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    lines = Lines(clock)
    lines("cells", 0, 6, "")
    clock.now = 120.0
    lines("cells", 1, 6, "")
    assert capsys.readouterr().err.splitlines()[1] == "cells: 1/6, 0.5/min, 600 s left"


def test_what_is_finished_at_once_takes_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(Clock())
    lines("codes", 5, 5, "")
    lines("codes", 5, 5, "")
    assert capsys.readouterr().err == "codes: 5/5\n"


def test_what_begins_again_is_timed_anew(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    lines = Lines(clock)
    for start in (0.0, 1000.0):
        clock.now = start
        lines("reading", 1, 3, "")
        clock.now = start + 4.0
        lines("reading", 3, 3, "")
    assert capsys.readouterr().err.splitlines() == ["reading: 1/3", "reading: 3/3, 30.0/min, in 4 s"] * 2


def test_without_a_terminal_there_are_lines_and_standard_output_stays_empty(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with progress_bars() as show:
        show("reading", 1, 2, "")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "reading: 1/2\n")


def test_in_a_terminal_there_are_bars(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress_bars() as show:
        show("reading", 2, 2, "all")
        show("reading", 1, 2, "again")
    captured = capsys.readouterr()
    assert "reading" in captured.err
    assert "━" in captured.err
    assert captured.out == ""
