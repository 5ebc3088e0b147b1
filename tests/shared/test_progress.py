from __future__ import annotations

import sys
from typing import Any

import pytest

from shared.progress import LINE_SECONDS, Lines, NotebookBars, Pace, progress_bars


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


Said = pytest.CaptureFixture[str]


def test_a_log_file_gets_few_lines_with_rate_and_time_left(capsys: Said) -> None:
    clock = Clock()
    lines = Lines(clock)
    for done in range(101):
        lines("training", done, 100, f"loss {done}")
        clock.now += LINE_SECONDS / 10
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "training: 0/100, loss 0"
    assert said[1] == "training: 1/100, 20.0/min, 5 min left, loss 1"  # as soon as it is known
    assert said[2].startswith("training: 11/100")
    assert said[-1].startswith("training: 100/100, 20.0/min, in 5 min")
    assert len(said) == 12


def test_the_time_left_goes_down_while_a_step_takes_its_time(capsys: Said) -> None:
    clock = Clock()
    lines = Lines(clock)
    lines("cells", 0, 3, "")
    clock.now = 100.0
    lines("cells", 1, 3, "")
    clock.now = 140.0
    lines("cells", 1, 3, "resnet18: epochs 2/9")  # within a cell
    assert capsys.readouterr().err.splitlines()[1:] == [
        "cells: 1/3, 2 min each, 3 min left",
        "cells: 1/3, 2 min each, 3 min left, resnet18: epochs 2/9",
    ]
    clock.now = 230.0  # longer than the first cell took
    lines("cells", 1, 3, "resnet18: epochs 5/9")
    assert capsys.readouterr().err == "cells: 1/3, 2 min each, 70 s left, resnet18: epochs 5/9\n"
    assert Pace(0.0, 0).left(5.0, 3) is None


def test_what_is_done_at_once_takes_no_line(capsys: Said) -> None:
    clock = Clock()
    lines = Lines(clock)
    lines("codes", 5, 5, "")
    lines("reading", 1, 3, "")
    clock.now = 0.5
    lines("reading", 3, 3, "")
    assert capsys.readouterr().err == ""


def test_what_begins_again_takes_no_more_lines_than_anything_else(capsys: Said) -> None:
    clock = Clock()
    lines = Lines(clock)
    for _ in range(10):  # 10 inputs of 3 maps each
        for done in range(4):
            lines("explaining", done, 3, "")
            clock.now += 4.0
    said = capsys.readouterr().err.splitlines()
    assert said[:3] == [
        "explaining: 0/3",
        "explaining: 1/3, 15.0/min, 8 s left",
        "explaining: 3/3, 15.0/min, in 12 s",
    ]
    assert len(said) == 7


def test_without_a_terminal_there_are_lines_and_standard_output_stays_empty(capsys: Said) -> None:
    with progress_bars() as show:
        show("reading", 0, 2, "")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "reading: 0/2\n")


def test_answers_for_a_file_stay_there_while_bars_are_drawn(monkeypatch: pytest.MonkeyPatch, capsys: Said) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich then takes standard error for a terminal
    with progress_bars() as show:
        show("judging", 1, 2, "")
        print("an answer")  # noqa: T201 - as commands do
    captured = capsys.readouterr()
    assert captured.out == "an answer\n"
    assert "an answer" not in captured.err


def test_in_a_terminal_there_are_bars(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress_bars() as show:
        show("reading", 2, 2, "all")
        show("reading", 1, 2, "again")
    captured = capsys.readouterr()
    assert "reading" in captured.err
    assert "━" in captured.err
    assert captured.out == ""


def test_bars_in_a_notebook_are_drawn_seldom_and_at_the_end() -> None:
    now = [0.0]
    drawn: list[str] = []

    class Handle:
        def update(self, shown: Any) -> None:
            drawn.append(shown._repr_html_())

    def display(shown: Any) -> Handle:
        drawn.append(shown._repr_html_())
        return Handle()

    bars = NotebookBars(display, clock=lambda: now[0])
    for done in range(101):
        bars("epochs <1>", done, 100, "loss 0.5")
        now[0] += 0.01
    assert 3 <= len(drawn) <= 10
    assert "epochs &lt;1&gt;" in drawn[-1]
    assert "100/100" in drawn[-1]
    assert "loss 0.5" in drawn[-1]
