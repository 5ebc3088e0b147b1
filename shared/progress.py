"""Progress of long work on standard error: bars in a terminal, now and then a line where there is none."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[str, int, int, str], None]
"""Called with (what is being done, done, total, a short note)."""
LINE_SECONDS = 15.0
"""Between two lines of one thing in a log file: enough to see that it lives, not enough to fill the file."""


@contextmanager
def progress_bars() -> Iterator[Progress]:
    """Gives what is to be called; shows rate and time left, a bar or a line for each thing that is done."""
    if sys.stderr.isatty():
        with _bars() as show:
            yield show
    else:
        yield Lines()


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Display
    from rich.progress import TaskID as BarID

    bars: dict[str, BarID] = {}
    with Display(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]} {task.fields[note]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    ) as display:

        def show(what: str, done: int, total: int, note: str) -> None:
            if what not in bars:
                bars[what] = display.add_task(what, total=total, rate="", note="")
            elif done < display.tasks[bars[what]].completed:
                display.reset(bars[what])
            speed = display.tasks[bars[what]].speed
            rate = _rate(speed) if speed else ""
            display.update(bars[what], completed=done, total=total, note=note, rate=rate)

        yield show


class Lines:
    """Progress for a log file or a pipe: a line when a thing begins, every `LINE_SECONDS`, and when it ends."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun: dict[str, tuple[float, int]] = {}
        self._said: dict[str, tuple[float, int]] = {}

    def __call__(self, what: str, done: int, total: int, note: str) -> None:
        """Prints a line if one is due."""
        now = self._clock()
        if what not in self._begun or done < self._said[what][1]:  # fewer than before: it begins again
            self._begun[what] = (now, done)
        else:
            last, said = self._said[what]
            if done == said or (done != total and now - last < LINE_SECONDS):
                return
        self._said[what] = (now, done)
        begun, first = self._begun[what]
        seconds = now - begun
        words = [f"{what}: {done}/{total}"]
        if seconds > 0 and done > first:
            rate = (done - first) / seconds
            words.append(_rate(rate))
            words.append(f"{(total - done) / rate:.0f} s left" if done < total else f"in {seconds:.0f} s")
        print(", ".join([*words, note] if note else words), file=sys.stderr, flush=True)  # noqa: T201 - its purpose


def _rate(a_second: float) -> str:
    """What takes seconds each is told by the minute: `0.0/s` says nothing."""
    return f"{a_second:.1f}/s" if a_second >= 1 else f"{60 * a_second:.1f}/min"
